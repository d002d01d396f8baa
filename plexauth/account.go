package plexauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// SignInRequest holds the credentials of Client.SignIn.
type SignInRequest struct {
	// Login is a username or an e-mail address.
	Login string
	// Password is the password of the account.
	Password Secret
	// VerificationCode is the code of the second factor: a code from an
	// authenticator app, or a backup code. If empty, it is not sent.
	VerificationCode Secret
	// RememberMe asks the server for a long-lived session. Servers may ignore
	// it.
	RememberMe bool
}

// Account is a user account. A field that the server omits has its zero value.
// A field has the value that the server sent, so an empty string may also mean
// that the account has none. Raw returns the whole document.
type Account struct {
	// ID is the numeric id of the account. At least one of ID and UUID is set.
	ID int64
	// UUID is the textual id of the account. It need not have the format of a
	// UUID.
	UUID string
	// Username is the unique name of the account. Managed users have none.
	Username string
	// Title is the name to display.
	Title string
	// Email is the e-mail address. Managed users have none.
	Email string
	// FriendlyName is the full name that the user entered.
	FriendlyName string
	// Thumb is the URL of the avatar.
	Thumb string
	// Country is a two-letter country code.
	Country string
	// Locale is the language of the account, such as "en".
	Locale string

	// AuthToken is a token of the account. SignIn sets it to the new token.
	// TokenDetails sets it to the token that the server returned, usually the
	// one that was sent; it may be empty.
	AuthToken Secret

	// JoinedAt is when the account was created, in UTC. It is zero if the
	// server omits it.
	JoinedAt time.Time
	// RememberExpiresAt is when a session with RememberMe expires, in UTC. It
	// is zero if the server omits it.
	RememberExpiresAt time.Time

	// Confirmed reports whether the e-mail address is confirmed.
	Confirmed bool
	// EmailOnlyAuth reports whether the account can sign in by e-mail alone.
	EmailOnlyAuth bool
	// HasPassword reports whether the account has a password.
	HasPassword bool
	// Protected reports whether switching to this home user requires a home
	// PIN.
	Protected bool
	// Restricted reports whether the account is a managed user of a home.
	Restricted bool
	// Anonymous reports whether the account is anonymous.
	Anonymous bool
	// Guest reports whether the account is the guest of a home.
	Guest bool
	// Home reports whether the account belongs to a home.
	Home bool
	// HomeAdmin reports whether the account administers its home.
	HomeAdmin bool
	// HomeSize is the number of accounts in the home.
	HomeSize int
	// MaxHomeSize is the largest number of accounts that the home may have.
	MaxHomeSize int
	// TwoFactorEnabled reports whether sign-in requires a second factor.
	TwoFactorEnabled bool
	// BackupCodesCreated reports whether the account has backup codes.
	BackupCodesCreated bool
	// ExperimentalFeatures reports whether the user enabled experimental
	// features.
	ExperimentalFeatures bool

	// MailingListStatus is "active", "unsubscribed" or "removed". Servers may
	// send other values.
	MailingListStatus string
	// MailingListActive reports whether the account receives the newsletter.
	MailingListActive bool
	// ScrobbleTypes is a comma-separated list. The public API documentation
	// does not define its elements.
	ScrobbleTypes string

	// SubscriptionDescription describes the subscription in words.
	SubscriptionDescription string
	// Subscription is the paid subscription of the account.
	Subscription Subscription
	// Profile holds the playback settings.
	Profile Profile
	// Entitlements are the names of the account's entitlements.
	Entitlements []string
	// Roles are the names of the account's roles.
	Roles []string
	// Services are further services that the account may use.
	Services []Service

	// raw contains the token. It is a pointer so that printing an Account does
	// not print the document.
	raw *[]byte
}

// Raw returns the document as the server sent it, in JSON or XML, or nil for an
// Account that did not come from a server. Use it for values that have no
// field. It may contain the token. The caller must not modify it.
func (a *Account) Raw() []byte {
	if a.raw == nil {
		return nil
	}
	return *a.raw
}

// Subscription is the paid subscription of an account.
type Subscription struct {
	// Active reports whether the subscription is active.
	Active bool
	// Status is "Active" or "Inactive". Servers may send other values.
	Status string
	// Plan is the name of the plan. Empty without a subscription.
	Plan string
	// PaymentService is the payment service that is used. Empty without a
	// subscription.
	PaymentService string
	// SubscribedAt is when the subscription began, in UTC, or zero.
	SubscribedAt time.Time
	// Features are the names of the features that the subscription includes.
	Features []string
}

// Profile holds the playback settings of an account. The meanings of the
// numbers are those of the public API documentation.
type Profile struct {
	// AutoSelectAudio selects the audio track automatically.
	AutoSelectAudio bool
	// DefaultAudioLanguage is the preferred audio language, such as "en".
	DefaultAudioLanguage string
	// DefaultSubtitleLanguage is the preferred subtitle language, such as "en".
	DefaultSubtitleLanguage string
	// AutoSelectSubtitle: 0 selects subtitles manually, 1 shows them with
	// foreign audio, 2 shows them always.
	AutoSelectSubtitle int
	// DefaultSubtitleAccessibility concerns subtitles for the deaf or hard of
	// hearing (SDH): 0 prefers others, 1 prefers SDH, 2 shows only SDH, 3 shows
	// only others.
	DefaultSubtitleAccessibility int
	// DefaultSubtitleForced concerns forced subtitles: 0 prefers others, 1
	// prefers forced, 2 shows only forced, 3 shows only others.
	DefaultSubtitleForced int
	// WatchedIndicator marks watched media: 0 none, 1 films and series, 2 films
	// only, 3 series only.
	WatchedIndicator int
	// MediaReviewsVisibility shows reviews: 0 none, 1 of critics, 2 of users, 3
	// of both.
	MediaReviewsVisibility int
}

// Service is another service that an account may use.
type Service struct {
	// Identifier identifies the service.
	Identifier string
	// Endpoint is the URL of the service.
	Endpoint string
	// Status is the state of the service. The values depend on the server.
	Status string
	// Token is the account's token for the service, if it needs one.
	Token Secret
	// Secret is the account's secret for the service, if it needs one.
	Secret Secret
}

// accountDocument is the wire form of an account.
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
	JoinedAt                timestamp
	RememberExpiresAt       timestamp
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
	Subscription            object[subscriptionDocument]
	Profile                 object[profileDocument]
	Entitlements            list[text]
	Roles                   list[text]
	Services                list[serviceDocument]

	// An error document may have an id, too.
	Error  present
	Errors present
}

// subscriptionDocument is the wire form of a subscription.
type subscriptionDocument struct {
	Active         boolean
	Status         text
	Plan           text
	PaymentService text
	SubscribedAt   timestamp
	Features       list[text]
}

// profileDocument is the wire form of a profile.
type profileDocument struct {
	AutoSelectAudio              boolean
	DefaultAudioLanguage         text
	DefaultSubtitleLanguage      text
	AutoSelectSubtitle           number
	DefaultSubtitleAccessibility number
	DefaultSubtitleForced        number
	WatchedIndicator             number
	MediaReviewsVisibility       number
}

// serviceDocument is the wire form of a service.
type serviceDocument struct {
	Identifier text
	Endpoint   text
	Status     text
	Token      text
	Secret     text
}

// usable implements item.
func (d serviceDocument) usable() bool { return d.Identifier != "" || d.Endpoint != "" }

// valid reports whether d is an account.
func (d *accountDocument) valid() bool {
	return (d.ID > 0 || d.UUID != "") && !bool(d.Error) && !bool(d.Errors)
}

// readAccountDocument decodes an account, with or without the wrapper that
// version 1 of the API and XML have.
func readAccountDocument(body []byte) (*accountDocument, error) {
	var d accountDocument
	err := decode(body, &d)
	if err == nil && d.ID == 0 && d.UUID == "" {
		return decodeWrapped[accountDocument](body, inUser)
	}
	return &d, err
}

var errNoAccount = errors.New("the response is not an account: it has neither an id nor a uuid")

// readAccount decodes an account from a response body.
func readAccount(body []byte) (*Account, error) {
	d, err := readAccountDocument(body)
	if err != nil {
		return nil, err
	}
	if !d.valid() {
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
			Identifier: string(s.Identifier), Endpoint: string(s.Endpoint), Status: string(s.Status),
			Token: Secret(s.Token), Secret: Secret(s.Secret),
		})
	}
	return a, nil
}

func (d *accountDocument) subscription() Subscription {
	s := &d.Subscription.value
	return Subscription{
		Active: bool(s.Active), Status: string(s.Status), Plan: string(s.Plan),
		PaymentService: string(s.PaymentService), SubscribedAt: time.Time(s.SubscribedAt), Features: stringsOf(s.Features),
	}
}

func (d *accountDocument) profile() Profile {
	p := &d.Profile.value
	return Profile{
		AutoSelectAudio: bool(p.AutoSelectAudio), DefaultAudioLanguage: string(p.DefaultAudioLanguage),
		DefaultSubtitleLanguage: string(p.DefaultSubtitleLanguage), AutoSelectSubtitle: int(p.AutoSelectSubtitle),
		DefaultSubtitleAccessibility: int(p.DefaultSubtitleAccessibility),
		DefaultSubtitleForced:        int(p.DefaultSubtitleForced),
		WatchedIndicator:             int(p.WatchedIndicator), MediaReviewsVisibility: int(p.MediaReviewsVisibility),
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

var errNoAuthToken = errors.New("the response has no token")

// SignIn signs in with a password and returns the account with a new token in
// Account.AuthToken. It does not change Client.Token, and sends no token.
//
// The error is ErrVerificationRequired if the credentials are right and a
// verification code is missing or wrong: ask for a code and call SignIn again
// with it. It is ErrUnauthorized if the login or the password is wrong, and
// ErrRateLimited after too many failed attempts.
//
// A sign-in whose response was lost may have used up its verification code.
// Call SignIn again with the next code.
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
		form: form, anonymous: true, noReplay: true,
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
		return nil, c.invalidResponse(op, res, err)
	}
	return a, nil
}

// TokenDetails returns the account that the token belongs to. The error is
// ErrUnauthorized if the token is invalid, revoked or expired, and
// ErrTokenExpired if it is an expired JWT.
func (c *Client) TokenDetails(ctx context.Context) (*Account, error) {
	return c.account(ctx, "TokenDetails")
}

// AccountOf returns the account that the given token belongs to, for a program
// that receives the tokens of its users. Client.Token is neither sent nor
// changed. The errors are those of TokenDetails.
func (c *Client) AccountOf(ctx context.Context, token Secret) (*Account, error) {
	of := *c
	of.Token = StaticToken(token)
	return of.account(ctx, "AccountOf")
}

// account returns the account that Client.Token belongs to.
func (c *Client) account(ctx context.Context, operation string) (*Account, error) {
	op := call{operation: operation, method: http.MethodGet, path: "/api/v2/user"}
	res, err := c.do(ctx, op)
	if err != nil {
		return nil, err
	}
	a, err := readAccount(res.body)
	if err != nil {
		return nil, c.invalidResponse(op, res, err)
	}
	return a, nil
}

// SignOut revokes the token and every token that was issued with it.
// Client.Token is not changed.
func (c *Client) SignOut(ctx context.Context) error {
	op := call{operation: "SignOut", method: http.MethodDelete, path: "/api/v2/users/signout"}
	return c.change(ctx, op)
}

// Ping checks that the account plane responds. It sends no token.
func (c *Client) Ping(ctx context.Context) error {
	op := call{operation: "Ping", method: http.MethodGet, path: "/api/v2/ping", anonymous: true}
	res, err := c.do(ctx, op)
	if err != nil {
		return err
	}
	var doc struct{ Pong boolean }
	err = decode(res.body, &doc)
	if err == nil && !bool(doc.Pong) {
		err = errNoPong
	}
	if err != nil {
		return c.invalidResponse(op, res, err)
	}
	return nil
}

var (
	errNoPong   = errors.New("the response to the ping is not a pong")
	errRejected = errors.New("the response has errors")
)

// change sends a call whose response body does not matter, unless it contradicts
// the 2xx status: a document with errors, a list, a web page or plain text does not
// confirm the change, and is an error.
func (c *Client) change(ctx context.Context, op call) error {
	res, err := c.do(ctx, op)
	if err != nil || len(bytes.TrimSpace(res.body)) == 0 {
		return err
	}
	doc, err := decodeWrapped[struct{ Error, Errors present }](res.body, inContainer)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) && wrong.Value != "array" {
		err = nil // a text, a number or a boolean
	}
	if err == nil && (bool(doc.Error) || bool(doc.Errors)) {
		err = errRejected
	}
	if err != nil {
		return c.invalidResponse(op, res, err)
	}
	return nil
}
