package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/plexauth"
)

const linkedFactorPath = "/second-factor"

// enrolCookie holds the secret of an admin's link between the link and the form.
// The link's address is replaced immediately, so that the secret is in no history.
const enrolCookie = "usher_enrol"

// errOtherAccount reports that an admin's link is for another account.
var errOtherAccount = fault.New(fault.Conflict,
	"this link is for another account than the one that is signed in here: sign out first, or open it in another browser")

// linkedFactor sets up a second factor with a link that an admin created. It is for users
// who have their password but no code of the present factor. The admin sees only the link,
// and never the key: that requires the user's password.
type linkedFactor struct {
	accounts *account.Service
	forms    factorForms
}

func (l *linkedFactor) pages() []page {
	return []page{
		{"GET", linkedFactorPath, anyone, l.form},
		{"POST", linkedFactorPath, anyone, l.submit},
	}
}

// FactorLink returns the path of the link with a secret of account.Service.NewLink.
func FactorLink(secret plexauth.Secret) plexauth.Secret { return linkedFactorPath + "?key=" + secret }

func (l *linkedFactor) form(ctx context.Context, v *visit) (view, error) {
	if key := plexauth.Secret(v.URL.Query().Get("key")); key != "" {
		if _, err := l.accounts.ByLink(ctx, key); err != nil {
			return view{}, err
		}
		return view{to: linkedFactorPath, cookies: []*http.Cookie{enrolmentCookie(key, int(account.LinkLife.Seconds()))}}, nil
	}
	of, _, err := l.of(ctx, v)
	if errors.Is(err, errSignInFirst) {
		return view{to: signInThen(linkedFactorPath)}, nil
	}
	if err != nil {
		return view{}, err
	}
	return l.forms.show(ctx, v, of, sent{})
}

func enrolmentCookie(secret plexauth.Secret, age int) *http.Cookie {
	return &http.Cookie{Name: enrolCookie, Value: string(secret), Path: linkedFactorPath, MaxAge: age}
}

// errSignInFirst says that the visitor has not given the password yet.
var errSignInFirst = errors.New("the link needs a sign-in")

// of returns whose second factor the visitor's link sets up. The password of the
// account was given in this browser; the second factor may be missing. ErrLink,
// errSignInFirst, errOtherAccount.
func (l *linkedFactor) of(ctx context.Context, v *visit) (of factorOf, secret plexauth.Secret, err error) {
	secret = v.cookie(enrolCookie, linkedFactorPath)
	of = factorOf{Page: linkedFactorPath, Back: "/account"}
	of.Account, err = l.accounts.ByLink(ctx, secret)
	switch {
	case err != nil:
		return of, "", err
	case v.session.ID == 0:
		return of, "", errSignInFirst
	case v.session.AccountID != of.Account.ID:
		return of, "", errOtherAccount
	}
	return of, secret, nil
}

func (l *linkedFactor) submit(ctx context.Context, v *visit) (view, error) {
	of, secret, err := l.of(ctx, v)
	if errors.Is(err, errSignInFirst) {
		return view{to: signInThen(linkedFactorPath)}, nil
	}
	if err != nil {
		return view{}, err
	}
	answer, err := l.forms.submit(ctx, v, of, func(code plexauth.Secret) ([]plexauth.Secret, error) {
		if err := confirmPasswordOf(ctx, l.accounts, v, of.Account); err != nil {
			return nil, err
		}
		return l.accounts.EnrolByLink(ctx, v.actor(), secret, v.session.ID, code)
	})
	if err == nil && answer.status == 0 {
		answer.cookies = append(answer.cookies, enrolmentCookie("", -1))
	}
	return answer, err
}
