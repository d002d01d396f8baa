package plexauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// SignInRequest is what someone gives to sign in.
type SignInRequest struct {
	// Login is a username or an e-mail address.
	Login string
	// Password is the account's.
	Password Secret
	// VerificationCode is the second factor's, where the account has one: a
	// code from an authenticator, or a backup code. Empty: none is sent.
	VerificationCode Secret
	// RememberMe asks for a session that lasts.
	RememberMe bool
}

// Account is who a token belongs to. What a server leaves out is the zero
// value; Raw has the whole document.
type Account struct {
	ID           int64
	UUID         string
	Username     string
	Title        string
	Email        string
	FriendlyName string
	Thumb        string
	Country      string
	Locale       string
	// AuthToken is a fresh token after SignIn, and otherwise the one that
	// asked, as far as the server says.
	AuthToken Secret
	// JoinedAt and RememberExpiresAt are zero when the server does not say.
	JoinedAt          time.Time
	RememberExpiresAt time.Time

	Confirmed            bool
	EmailOnlyAuth        bool
	HasPassword          bool
	Protected            bool
	Restricted           bool
	Anonymous            bool
	Guest                bool
	Home                 bool
	HomeAdmin            bool
	HomeSize             int
	MaxHomeSize          int
	TwoFactorEnabled     bool
	BackupCodesCreated   bool
	ExperimentalFeatures bool

	// MailingListStatus is "active", "unsubscribed", "removed", or whatever
	// else a server says.
	MailingListStatus       string
	MailingListActive       bool
	ScrobbleTypes           string
	SubscriptionDescription string
	Subscription            Subscription
	Profile                 Profile
	// Entitlements and Roles are their names.
	Entitlements []string
	Roles        []string
	Services     []Service

	// raw is behind a pointer so that printing an Account does not print it:
	// it has the token in it.
	raw *[]byte
}

// Raw returns the document as it came, in JSON or XML, for what has no field.
// It holds the token. It must not be changed.
func (a *Account) Raw() []byte {
	if a.raw == nil {
		return nil
	}
	return *a.raw
}

// Subscription is what an account has paid for.
type Subscription struct {
	Active         bool
	Status         string // "Active", "Inactive", or whatever else
	Plan           string
	PaymentService string
	SubscribedAt   time.Time
	Features       []string
}

// Profile is an account's playback settings. The numbers' meanings are the
// server's.
type Profile struct {
	AutoSelectAudio              bool
	DefaultAudioLanguage         string
	DefaultSubtitleLanguage      string
	AutoSelectSubtitle           int
	DefaultSubtitleAccessibility int
	DefaultSubtitleForced        int
	WatchedIndicator             int
	MediaReviewsVisibility       int
}

// Service is another service that an account may use, with its token.
type Service struct {
	Identifier string
	Endpoint   string
	Status     string
	Token      Secret
	Secret     Secret
}

// accountDocument is an account as servers write it.
type accountDocument struct {
	ID                      number
	UUID                    text
	Username                text
	Title                   text
	Email                   text
	FriendlyName            text
	Thumb                   text
	Country                 text
	Locale                  text
	AuthToken               text
	AuthenticationToken     text // version 1
	JoinedAt                moment
	RememberExpiresAt       moment
	Confirmed               boolean
	EmailOnlyAuth           boolean
	HasPassword             boolean
	Protected               boolean
	Restricted              boolean
	Anonymous               boolean
	Guest                   boolean
	Home                    boolean
	HomeAdmin               boolean
	HomeSize                number
	MaxHomeSize             number
	TwoFactorEnabled        boolean
	BackupCodesCreated      boolean
	ExperimentalFeatures    boolean
	MailingListStatus       text
	MailingListActive       boolean
	ScrobbleTypes           text
	SubscriptionDescription text
	Subscription            struct {
		Active         boolean
		Status         text
		Plan           text
		PaymentService text
		SubscribedAt   moment
		Features       list[text]
	}
	Profile struct {
		AutoSelectAudio              boolean
		DefaultAudioLanguage         text
		DefaultSubtitleLanguage      text
		AutoSelectSubtitle           number
		DefaultSubtitleAccessibility number
		DefaultSubtitleForced        number
		WatchedIndicator             number
		MediaReviewsVisibility       number
	}
	Entitlements list[text]
	Roles        list[text]
	Services     list[struct {
		Identifier text
		Endpoint   text
		Status     text
		Token      text
		Secret     text
	}]
}

// readAccountDocument reads an account as JSON has it, and in the wrapper that
// version 1 and XML put around it.
func readAccountDocument(body []byte) (*accountDocument, error) {
	var d accountDocument
	err := decode(body, &d)
	if err == nil && d.ID == 0 && d.UUID == "" {
		return decodeWrapped[accountDocument](body)
	}
	return &d, err
}

var errNoAccount = errors.New("the answer is not an account: it has neither an id nor a uuid")

// readAccount reads an account from an answer's body.
func readAccount(body []byte) (*Account, error) {
	d, err := readAccountDocument(body)
	if err != nil {
		return nil, err
	}
	if d.ID == 0 && d.UUID == "" {
		return nil, errNoAccount
	}
	a := &Account{
		ID: int64(d.ID), UUID: string(d.UUID), Username: string(d.Username), Title: string(d.Title),
		Email: string(d.Email), FriendlyName: string(d.FriendlyName), Thumb: string(d.Thumb),
		Country: string(d.Country), Locale: string(d.Locale),
		AuthToken: Secret(orDefault(string(d.AuthToken), string(d.AuthenticationToken))),
		JoinedAt:  time.Time(d.JoinedAt), RememberExpiresAt: time.Time(d.RememberExpiresAt),
		Confirmed: bool(d.Confirmed), EmailOnlyAuth: bool(d.EmailOnlyAuth), HasPassword: bool(d.HasPassword),
		Protected: bool(d.Protected), Restricted: bool(d.Restricted), Anonymous: bool(d.Anonymous),
		Guest: bool(d.Guest), Home: bool(d.Home), HomeAdmin: bool(d.HomeAdmin), HomeSize: int(d.HomeSize),
		MaxHomeSize: int(d.MaxHomeSize), TwoFactorEnabled: bool(d.TwoFactorEnabled),
		BackupCodesCreated: bool(d.BackupCodesCreated), ExperimentalFeatures: bool(d.ExperimentalFeatures),
		MailingListStatus: string(d.MailingListStatus), MailingListActive: bool(d.MailingListActive),
		ScrobbleTypes: string(d.ScrobbleTypes), SubscriptionDescription: string(d.SubscriptionDescription),
		Subscription: d.subscription(), Profile: d.profile(),
		Entitlements: stringsOf(d.Entitlements), Roles: stringsOf(d.Roles), raw: &body,
	}
	for _, s := range d.Services {
		a.Services = append(a.Services, Service{
			string(s.Identifier), string(s.Endpoint), string(s.Status), Secret(s.Token), Secret(s.Secret),
		})
	}
	return a, nil
}

func (d *accountDocument) subscription() Subscription {
	s := &d.Subscription
	return Subscription{
		bool(s.Active), string(s.Status), string(s.Plan), string(s.PaymentService),
		time.Time(s.SubscribedAt), stringsOf(s.Features),
	}
}

func (d *accountDocument) profile() Profile {
	p := &d.Profile
	return Profile{
		bool(p.AutoSelectAudio), string(p.DefaultAudioLanguage), string(p.DefaultSubtitleLanguage),
		int(p.AutoSelectSubtitle), int(p.DefaultSubtitleAccessibility), int(p.DefaultSubtitleForced),
		int(p.WatchedIndicator), int(p.MediaReviewsVisibility),
	}
}

func stringsOf(l list[text]) []string {
	if len(l) == 0 {
		return nil
	}
	out := make([]string, len(l))
	for i, t := range l {
		out[i] = string(t)
	}
	return out
}

var errNoAuthToken = errors.New("the answer has no token")

// SignIn signs in and returns the account with a fresh token, which the caller
// keeps: Client.Token is not changed. No token is sent.
//
// ErrUnauthorized: the login or the password is wrong. ErrVerificationRequired:
// they are right, and a code is needed or was wrong. ErrRateLimited: too many
// tries. A sign-in that got no answer may have used up its code: ask for the
// next one.
func (c *Client) SignIn(ctx context.Context, in SignInRequest) (*Account, error) {
	form := url.Values{
		"login":      {in.Login},
		"password":   {string(in.Password)},
		"rememberMe": {strconv.FormatBool(in.RememberMe)},
	}
	if in.VerificationCode != "" {
		form.Set("verificationCode", string(in.VerificationCode))
	}
	op := call{
		operation: "SignIn", method: http.MethodPost, path: "/api/v2/users/signin",
		form: form, anonymous: true, once: true,
	}
	res, err := c.do(ctx, op)
	if err != nil {
		return nil, err
	}
	a, err := readAccount(res.body)
	if err == nil && a.AuthToken == "" {
		err = errNoAuthToken
	}
	if err != nil {
		return nil, c.unusable(op, res, err)
	}
	return a, nil
}

// TokenDetails returns the account that the token belongs to.
// ErrUnauthorized: the token is not good, or no longer.
func (c *Client) TokenDetails(ctx context.Context) (*Account, error) {
	op := call{operation: "TokenDetails", method: http.MethodGet, path: "/api/v2/user"}
	res, err := c.do(ctx, op)
	if err != nil {
		return nil, err
	}
	a, err := readAccount(res.body)
	if err != nil {
		return nil, c.unusable(op, res, err)
	}
	return a, nil
}

// SignOut ends the token, and whatever was made from it.
func (c *Client) SignOut(ctx context.Context) error {
	_, err := c.do(ctx, call{operation: "SignOut", method: http.MethodDelete, path: "/api/v2/users/signout"})
	return err
}

// Ping asks the account plane whether it is there. No token is sent.
func (c *Client) Ping(ctx context.Context) error {
	op := call{operation: "Ping", method: http.MethodGet, path: "/api/v2/ping", anonymous: true}
	res, err := c.do(ctx, op)
	if err != nil {
		return err
	}
	var doc struct{ Pong any }
	if err := decode(res.body, &doc); err != nil {
		return c.unusable(op, res, err)
	}
	return nil
}
