package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/usher-auth/usher/internal/passkey"
)

const (
	// passkeyCookie identifies a browser between the challenge and the answer of
	// a sign-in by passkey, when it has no session yet.
	passkeyCookie = "usher_passkey"
	passkeyPath   = "/auth/passkey"
	passkeyLife   = 5 * time.Minute
)

// passkeySignIn signs in by passkey: alone, or as the second factor.
type passkeySignIn struct {
	passkeys *passkey.Service
	browsers *browserSessions
	site     passkeySite
}

func (s *passkeySignIn) pages() []page {
	return []page{
		{"POST", passkeyPath + "/challenge", anyone, asJSON(s.challenge)},
		{"POST", passkeyPath, anyone, asJSON(s.submit)},
		{"POST", "/auth/code/passkey/challenge", halfSignedIn, asJSON(s.secondChallenge)},
		{"POST", "/auth/code/passkey", halfSignedIn, asJSON(s.submitSecond)},
	}
}

// challenge starts a sign-in by passkey. The passkey itself will tell whose
// account it is.
func (s *passkeySignIn) challenge(ctx context.Context, v *visit) (view, error) {
	party, err := s.site.party(v)
	if err != nil {
		return view{}, err
	}
	browser := rand.Text()
	options, err := s.passkeys.BeginSignIn(ctx, party, browser, v.address)
	cookie := browserCookie(browser, int(passkeyLife.Seconds()))
	return view{json: json.RawMessage(options), cookies: []*http.Cookie{cookie}}, err
}

func browserCookie(browser string, age int) *http.Cookie {
	return &http.Cookie{
		Name: passkeyCookie, Value: browser, Path: passkeyPath, MaxAge: age,
		SameSite: http.SameSiteStrictMode,
	}
}

// submit takes the passkey's answer and starts a session.
func (s *passkeySignIn) submit(ctx context.Context, v *visit) (view, error) {
	party, err := s.site.party(v)
	if err != nil {
		return view{}, err
	}
	browser := v.cookie(passkeyCookie, passkeyPath)
	if browser == "" {
		return view{}, passkey.ErrChallenge
	}
	verified, err := s.passkeys.FinishSignIn(
		ctx, v.actor(), party, string(browser), []byte(v.PostFormValue("answer")))
	if err != nil {
		return view{}, err
	}
	answer, err := s.browsers.start(ctx, v, verified.Proof, true, nextPath(v.PostForm))
	answer.cookies = append(answer.cookies, browserCookie("", -1))
	return answer, err
}

// secondChallenge starts the second step by passkey.
func (s *passkeySignIn) secondChallenge(ctx context.Context, v *visit) (view, error) {
	party, err := s.site.party(v)
	if err != nil {
		return view{}, err
	}
	options, err := s.passkeys.BeginSecondFactor(ctx, party, v.session.AccountID, browserOf(v))
	return view{json: json.RawMessage(options)}, err
}

// submitSecond takes the passkey's answer in place of a code.
func (s *passkeySignIn) submitSecond(ctx context.Context, v *visit) (view, error) {
	party, err := s.site.party(v)
	if err != nil {
		return view{}, err
	}
	verified, err := s.passkeys.FinishSecondFactor(ctx, v.actor(), party,
		v.session.AccountID, v.session.Revision, browserOf(v), []byte(v.PostFormValue("answer")))
	if err != nil {
		return view{}, err
	}
	answer, err := s.browsers.complete(ctx, v, verified.Proof, nextPath(v.PostForm))
	if err != nil {
		return view{}, fmt.Errorf("completing a session by passkey: %w", err)
	}
	return answer, nil
}

// browserOf identifies a browser by its session, for which a challenge is
// issued.
func browserOf(v *visit) string { return strconv.FormatInt(v.session.ID, 10) }
