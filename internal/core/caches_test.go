package core_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pquerna/otp/totp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/api"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/devicekey/devicekeytest"
	"github.com/usher-auth/usher/internal/friend"
	"github.com/usher-auth/usher/internal/httpd"
	"github.com/usher-auth/usher/internal/invite"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/passkey/passkeytest"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// process is one process on a data folder, with its API.
type process struct {
	*core.Core
	http http.Handler
}

func newProcess(c *core.Core) process {
	planes := api.New(c, api.Config{Observer: httpd.NewObserver(c.Logger, c.Now)})
	return process{c, planes.Handler(planes.NotFound())}
}

// household is a data folder with a bit of everything, opened by two processes.
// mia has a password only, noa a second factor and a passkey.
type household struct {
	t *testing.T
	*coretest.Core
	here, there process

	by            audit.Actor
	ada, mia, noa account.Account
	kid           account.Account // managed by ada, in whose home mia is, too
	den           source.Source
	tv            token.Principal // of mia's
	waits         pin.PIN
	session       session.Session // of mia's
	enrolment     account.Enrolment
	backup        []plexauth.Secret
	key           *passkeytest.Key
	deviceKey     *devicekeytest.Key // of the box, which mia has linked

	// tokens, pins, keys and sources are the subjects of answers, by name.
	tokens  map[string]plexauth.Secret
	pins    map[string]pin.PIN
	keys    map[string]plexauth.Secret // of the admin API
	sources []string
	adaKey  adminkey.Key
	films   source.Section // of den
}

var living = passkey.Party{ID: "localhost", Origins: []string{"http://localhost"}}

func newHousehold(t *testing.T) *household {
	t.Helper()
	clock := new(coretest.Clock)
	clock.Set(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	cfg := core.Config{Dir: t.TempDir(), Now: clock.Now, MembersSetEmail: true, SignUp: true}
	h := &household{
		t: t, Core: coretest.New(t, cfg),
		tokens: make(map[string]plexauth.Secret), pins: make(map[string]pin.PIN), keys: make(map[string]plexauth.Secret),
	}
	h.Clock = clock
	h.ada, h.mia, h.noa = h.AddAdmin("ada"), h.Add("mia"), h.Add("noa")
	h.by = audit.Actor{AccountID: h.ada.ID, Address: "192.0.2.1"}
	for _, s := range []source.Source{
		{Kind: source.Server, Identifier: "den", Name: "Den"}, {Kind: source.Provider, Identifier: "music", Name: "Music"},
	} {
		s.Connections = []source.Connection{{URI: "http://192.0.2.5:32400"}}
		s = h.AddSource(s)
		h.sources = append(h.sources, string(s.Kind)+"://"+s.Identifier)
		if s.Kind == source.Server {
			h.den = s
		}
	}
	var err error
	h.films, err = h.Sources.AddSection(t.Context(), h.by, h.den, source.Section{Title: "Films"})
	h.must(err)
	h.must(h.Sources.Share(t.Context(), h.by, h.den, h.mia.ID))
	h.keys["script"], h.adaKey, err = h.AdminKeys.Make(t.Context(), h.by, adminkey.NewKey{
		Name: "script", Scopes: []string{"audit:read"}, MakerID: h.ada.ID,
	})
	h.must(err)
	for name, a := range map[string]account.Account{"ada": h.ada, "mia": h.mia, "noa": h.noa} {
		h.tokens[name] = h.Token(a, "tv")
	}
	h.tokens["phone"] = h.Token(h.mia, "phone")
	h.tv, err = h.Tokens.Verify(t.Context(), h.tokens["mia"])
	h.must(err)
	h.tokens["den"], err = h.Sources.Token(t.Context(), h.by, h.tv, h.den.ID)
	h.must(err)
	h.waits = h.start("waits")
	h.must(h.PINs.Link(t.Context(), audit.Actor{AccountID: h.mia.ID}, h.start("linked").Code))
	h.must(h.PINs.Link(t.Context(), audit.Actor{AccountID: h.mia.ID}, h.startForward("web").Code))
	h.deviceKey = devicekeytest.New(t, "box", 1)
	h.pins["box"], err = h.PINs.StartWithKey(t.Context(), tvOf("box"), true, "", h.deviceKey.Public.JWK)
	h.must(err)
	h.must(h.PINs.Link(t.Context(), audit.Actor{AccountID: h.mia.ID}, h.pins["box"].Code))
	_, h.session, err = h.Sessions.Start(t.Context(), h.by, h.Prove(h.mia).Proof, true, "Firefox")
	h.must(err)
	h.enrolment = account.NewEnrolment("usher", "noa")
	h.backup, err = h.Accounts.Enrol(t.Context(), h.by, h.noa.ID, h.enrolment, "")
	h.must(err)
	options, err := h.Passkeys.BeginAdd(t.Context(), living, h.noa, "browser")
	h.must(err)
	var answer []byte
	h.key, answer = passkeytest.Create(t, options, "http://localhost")
	h.must(h.Passkeys.FinishAdd(t.Context(), h.by, living, h.noa, "browser", "phone", answer))
	_, err = h.Origins.Allow(t.Context(), h.by, "https://a.example.org")
	h.must(err)
	kid, err := h.Homes.AddManaged(t.Context(), h.by, h.ada.ID, "Kid", "")
	h.must(err)
	h.kid = kid.Account
	h.must(h.Homes.Join(t.Context(), h.by, h.ada.ID, h.mia.ID, false))
	_, h.tokens["mia as kid"], err = h.Homes.Switch(t.Context(), h.by, h.tv, h.kid.UUID, "", tvOf("tv"))
	h.must(err)
	h.here, h.there = newProcess(h.Core.Core), newProcess(coretest.New(t, cfg).Core)
	return h
}

func (h *household) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// start starts a PIN of a client with that name.
func (h *household) start(client string) pin.PIN {
	h.t.Helper()
	p, err := h.PINs.Start(h.t.Context(), device.Device{ClientIdentifier: client, Address: "192.0.2.9"}, false, "")
	h.must(err)
	h.pins[client] = p
	return p
}

// startForward is start for a program to which a browser brings a proof.
func (h *household) startForward(client string) pin.PIN {
	h.t.Helper()
	d := device.Device{ClientIdentifier: client, Address: "192.0.2.9"}
	p, err := h.PINs.Start(h.t.Context(), d, true, "https://app.example.org/")
	h.must(err)
	h.pins[client] = p
	return p
}

// forward returns where mia's browser is sent after a PIN was linked.
func (h *household) forward(p pin.PIN) (pin.Forward, error) {
	return h.PINs.Forward(h.t.Context(), audit.Actor{AccountID: h.mia.ID}, p.Code)
}

// jwt exchanges the PIN of the box for a JWT.
func (h *household) jwt(ctx context.Context) (plexauth.Secret, error) {
	_, jwt, err := h.PINs.GetJWT(ctx, h.by, h.pins["box"].ID, "box", h.deviceKey.Sign(h.t, "", h.Clock.Now()))
	return jwt, err
}

// code returns what noa's authenticator shows.
func (h *household) code() plexauth.Secret {
	h.t.Helper()
	code, err := totp.GenerateCode(string(h.enrolment.Secret), h.Clock.Now())
	h.must(err)
	return plexauth.Secret(code)
}

// pending starts to enrol a second factor in mia's session. It returns the code that the
// authenticator shows.
func (h *household) pending() plexauth.Secret {
	h.t.Helper()
	e, err := h.Accounts.Pending(h.t.Context(), "usher", h.mia, h.session.ID)
	h.must(err)
	code, err := totp.GenerateCode(string(e.Secret), h.Clock.Now())
	h.must(err)
	return plexauth.Secret(code)
}

// noaBy returns noa's credentials with a code.
func (h *household) noaBy(code plexauth.Secret) account.Credentials {
	return account.Credentials{Login: "noa", Password: coretest.Password, Code: code}
}

// reset creates a link with which mia sets a new password.
func (h *household) reset(ctx context.Context) (plexauth.Secret, error) {
	link, _, err := h.Accounts.NewReset(ctx, h.by, h.mia.ID, account.Reset{Password: true}, 0)
	return link, err
}

// link creates an invitation for a new account that can reach den.
func (h *household) link(ctx context.Context) (plexauth.Secret, invite.Invitation, error) {
	return h.Invites.Make(ctx, h.by, invite.New{Servers: []source.Source{h.den}})
}

// invite has ada invite an account to den.
func (h *household) invite(ctx context.Context, name string) (number int64, err error) {
	sent, err := h.Friends.Invite(ctx, h.by, h.ada.ID, friend.Wish{Name: name, Server: h.den.Identifier})
	return sent.Number, err
}

// share returns the number of mia's share of den.
func (h *household) share(ctx context.Context) int64 {
	h.t.Helper()
	shares, err := h.Sources.SharesTo(ctx, h.mia.ID)
	h.must(err)
	return shares[0].Number
}

// onlyFilms is the choice of one section of den.
func (h *household) onlyFilms() source.Choice {
	return source.Choice{Some: true, Sections: []int64{h.films.ID}}
}

// half starts noa's session, which still needs the second factor.
func (h *household) half() session.Session {
	h.t.Helper()
	_, half, err := h.Sessions.Start(h.t.Context(), h.by, h.Prove(h.noa).Proof, false, "Firefox")
	h.must(err)
	return half
}

// answers returns what a process answers about everything that its caches hold.
func (h *household) answers(p process) map[string]string {
	h.t.Helper()
	said := make(map[string]string)
	for name, tok := range h.tokens {
		principal, err := p.Tokens.Verify(h.t.Context(), tok)
		said["token "+name] = fmt.Sprintf("%+v %v", principal, err)
		said["account of "+name] = h.get(p, "/api/v2/user", tok)
	}
	for name, started := range h.pins {
		got, tok, err := p.PINs.Get(h.t.Context(), started.ID, name, "192.0.2.9")
		said["pin "+name] = fmt.Sprintf("account %d, revoked %v, token %s, %v", got.AccountID, got.Revoked, string(tok), err)
	}
	for name, secret := range h.keys {
		k, err := p.AdminKeys.Verify(h.t.Context(), "192.0.2.9", secret)
		said["admin key "+name] = fmt.Sprintf("%+v %v", k.Scopes, err)
	}
	for _, s := range h.sources {
		said["source "+s] = h.get(p, "/security/resources?source="+s, h.tokens["ada"])
	}
	signing, err := p.Signing.List(h.t.Context())
	h.must(err)
	for _, k := range signing {
		said["signing key "+k.ID] = fmt.Sprintf("%+v", k)
	}
	return said
}

func (h *household) get(p process, path string, tok plexauth.Secret) string {
	r := httptest.NewRequestWithContext(h.t.Context(), "GET", path, nil)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("X-Plex-Client-Identifier", "test")
	r.Header.Set("X-Plex-Token", string(tok))
	w := httptest.NewRecorder()
	p.http.ServeHTTP(w, r)
	// A transient token differs from answer to answer.
	return fmt.Sprint(w.Code, " ", transients.ReplaceAllString(w.Body.String(), "transient"))
}

var transients = regexp.MustCompile("transient-[0-9A-Za-z_-]+")

// changing is one way to change something. Every method of a service that takes
// an actor has at least one.
type changing struct {
	// method is "Service.Method", and note is what is special about the row.
	method, note string
	// seen reports whether the answers differ afterwards.
	seen bool
	do   func(ctx context.Context, h *household) error
}

// only returns the error of a call with two results.
func only[T any](_ T, err error) error { return err }

// repeat runs something n times, until it fails.
func repeat(n int, do func(i int) error) (err error) {
	for i := 0; i < n && err == nil; i++ {
		err = do(i)
	}
	return err
}

func tvOf(client string) device.Device { return device.Device{ClientIdentifier: client} }

var changingMethods = []changing{
	{"Audit.RecordFailure", "", false, func(ctx context.Context, h *household) error {
		return h.Audit.RecordFailure(ctx, h.by, audit.Event{Kind: audit.SignInRefused, AccountID: h.mia.ID})
	}},

	{"Accounts.Add", "", false, func(ctx context.Context, h *household) error {
		return only(h.Accounts.Add(ctx, h.by, account.NewAccount{Username: "ida", Managed: true}))
	}},
	{"Accounts.AddFirst", "too late", false, func(ctx context.Context, h *household) error {
		_, err := h.Accounts.AddFirst(ctx, h.by, account.NewAccount{Username: "ida", Password: coretest.Password})
		if errors.Is(err, account.ErrExists) {
			err = nil
		}
		return err
	}},
	{"Accounts.SetIdentity", "", true, func(ctx context.Context, h *household) error {
		return h.Accounts.SetIdentity(ctx, h.by, h.mia.ID, "Mia", "other@example.org")
	}},
	{"Accounts.SetPassword", "", false, func(ctx context.Context, h *household) error {
		return h.Accounts.SetPassword(ctx, h.by, h.mia.ID, "another password")
	}},
	{"Accounts.Disable", "", true, func(ctx context.Context, h *household) error {
		return h.Accounts.Disable(ctx, h.by, h.mia.ID)
	}},
	{"Accounts.Enable", "after the answers were cached again", true, func(ctx context.Context, h *household) error {
		err := h.Accounts.Disable(ctx, h.by, h.mia.ID)
		h.answers(h.here)
		return errors.Join(err, h.Accounts.Enable(ctx, h.by, h.mia.ID))
	}},
	{"Accounts.Rename", "", true, func(ctx context.Context, h *household) error {
		return h.Accounts.Rename(ctx, h.by, h.mia.ID, "Maria")
	}},
	{"Accounts.SetEmail", "", true, func(ctx context.Context, h *household) error {
		return h.Accounts.SetEmail(ctx, h.by, h.mia.ID, "other@example.org")
	}},
	{"Accounts.ConfirmEmail", "", true, func(ctx context.Context, h *household) error {
		own := audit.Actor{AccountID: h.mia.ID}
		err := h.Accounts.SetEmail(ctx, own, h.mia.ID, "own@example.org")
		h.answers(h.here)
		return errors.Join(err, h.Accounts.ConfirmEmail(ctx, h.by, h.mia.ID, "own@example.org"))
	}},
	{"Accounts.Promote", "", true, func(ctx context.Context, h *household) error {
		return h.Accounts.Promote(ctx, h.by, h.mia.ID)
	}},
	{"Accounts.Demote", "", true, func(ctx context.Context, h *household) error {
		err := h.Accounts.Promote(ctx, h.by, h.mia.ID)
		return errors.Join(err, h.Accounts.Demote(ctx, h.by, h.ada.ID, h.Sources))
	}},
	{"Accounts.Remove", "", true, func(ctx context.Context, h *household) error {
		return h.Accounts.Remove(ctx, h.by, h.mia.ID)
	}},
	{"Accounts.Enrol", "", true, func(ctx context.Context, h *household) error {
		return only(h.Accounts.Enrol(ctx, h.by, h.mia.ID, account.NewEnrolment("usher", "mia"), ""))
	}},
	{"Accounts.RemoveSecondFactor", "", true, func(ctx context.Context, h *household) error {
		return h.Accounts.RemoveSecondFactor(ctx, h.by, h.noa.ID)
	}},
	{"Accounts.NewLink", "", false, func(ctx context.Context, h *household) error {
		_, _, err := h.Accounts.NewLink(ctx, h.by, h.mia.ID)
		return err
	}},
	{"Accounts.EnrolByLink", "", true, func(ctx context.Context, h *household) error {
		link, _, err := h.Accounts.NewLink(ctx, h.by, h.mia.ID)
		return errors.Join(err, only(h.Accounts.EnrolByLink(ctx, h.by, link, h.session.ID, h.pending())))
	}},
	{"Accounts.EnrolPending", "", true, func(ctx context.Context, h *household) error {
		code := h.pending()
		return only(h.Accounts.EnrolPending(ctx, h.by, h.Prove(h.mia).Proof, h.session.ID, code))
	}},
	{"Accounts.TurnOffSecondFactor", "with a backup code", true, func(ctx context.Context, h *household) error {
		v, err := h.Accounts.Verify(ctx, h.by, h.noaBy(h.backup[0]))
		return errors.Join(err, h.Accounts.TurnOffSecondFactor(ctx, h.by, v.Proof))
	}},
	{"Accounts.Confirm", "with a backup code", false, func(ctx context.Context, h *household) error {
		v, err := h.Accounts.Verify(ctx, h.by, h.noaBy(h.backup[0]))
		return errors.Join(err, h.Accounts.Confirm(ctx, h.by, v.Proof))
	}},
	{"Accounts.ConfirmPassword", "", false, func(ctx context.Context, h *household) error {
		return h.Accounts.ConfirmPassword(ctx, h.by, h.noaBy(""))
	}},
	{"Accounts.Verify", "", false, func(ctx context.Context, h *household) error {
		return only(h.Accounts.Verify(ctx, h.by, h.noaBy(h.code())))
	}},
	{"Accounts.VerifyPassword", "", false, func(ctx context.Context, h *household) error {
		return only(h.Accounts.VerifyPassword(ctx, h.by, h.noaBy("")))
	}},
	{"Accounts.VerifyCode", "", false, func(ctx context.Context, h *household) error {
		return only(h.Accounts.VerifyCode(ctx, h.by, account.Caller{}, h.noa.ID, h.half().Revision, h.code()))
	}},

	{"Accounts.AddWith", "", false, func(ctx context.Context, h *household) error {
		before := func(context.Context, *db.Tx) error { return nil }
		after := func(context.Context, *db.Tx, account.Account) error { return nil }
		n := account.NewAccount{Username: "ida", Password: coretest.Password}
		return only(h.Accounts.AddWith(ctx, h.by, n, before, after))
	}},
	{"Accounts.SignUp", "", false, func(ctx context.Context, h *household) error {
		return only(h.Accounts.SignUp(ctx, audit.Actor{}, account.NewAccount{Username: "ida", Password: coretest.Password}))
	}},
	{"Accounts.NewReset", "", false, func(ctx context.Context, h *household) error {
		return only(h.reset(ctx))
	}},
	{"Accounts.MailReset", "", false, func(ctx context.Context, h *household) error {
		letter := func(made account.MadeReset) mail.Message { return mail.Message{To: made.Account.Email} }
		return only(h.Accounts.MailReset(ctx, h.by, h.mia.ID, account.Reset{Password: true}, 0, letter))
	}},
	{"Accounts.AskForReset", "", false, func(_ context.Context, h *household) error {
		return h.Accounts.AskForReset(audit.Actor{Address: "192.0.2.9"})
	}},
	{"Accounts.ResetByEmail", "", false, func(ctx context.Context, h *household) error {
		letter := func(made account.MadeReset) mail.Message { return mail.Message{To: made.Account.Email} }
		return h.Accounts.ResetByEmail(ctx, audit.Actor{}, "mia", letter, h.Outbox)
	}},
	{"Accounts.ByReset", "", false, func(ctx context.Context, h *household) error {
		link, err := h.reset(ctx)
		if err != nil {
			return err
		}
		_, _, err = h.Accounts.ByReset(ctx, audit.Actor{}, link)
		return err
	}},
	{"Accounts.UseReset", "which signs out everything", true, func(ctx context.Context, h *household) error {
		link, err := h.reset(ctx)
		if err != nil {
			return err
		}
		with := account.ResetWith{New: "another password"}
		return only(h.Accounts.UseReset(ctx, audit.Actor{}, link, with, h.Sessions))
	}},
	{"Accounts.UseReset", "which turns off the second factor", true, func(ctx context.Context, h *household) error {
		link, _, err := h.Accounts.NewReset(ctx, h.by, h.noa.ID, account.Reset{SecondFactor: true}, 0)
		if err != nil {
			return err
		}
		with := account.ResetWith{Current: coretest.Password}
		return only(h.Accounts.UseReset(ctx, audit.Actor{}, link, with, h.Sessions))
	}},

	{"Accounts.HashPIN", "", false, func(ctx context.Context, h *household) error {
		return only(h.Accounts.HashPIN(ctx, h.by, h.kid, "4321"))
	}},
	{"Accounts.MatchPIN", "", false, func(ctx context.Context, h *household) error {
		return only(h.Accounts.MatchPIN(ctx, h.by, h.kid, "4321", ""))
	}},
	{"Accounts.Disable", "the owner of a home", true, func(ctx context.Context, h *household) error {
		err := h.Accounts.Promote(ctx, h.by, h.mia.ID)
		h.answers(h.here)
		return errors.Join(err, h.Accounts.Disable(ctx, h.by, h.ada.ID))
	}},
	{"Accounts.Remove", "the owner of a home", true, func(ctx context.Context, h *household) error {
		err := h.Accounts.Promote(ctx, h.by, h.mia.ID)
		h.answers(h.here)
		return errors.Join(err, h.Accounts.Remove(ctx, h.by, h.ada.ID))
	}},

	{"Homes.AddManaged", "", true, func(ctx context.Context, h *household) error {
		return only(h.Homes.AddManaged(ctx, h.by, h.ada.ID, "New", ""))
	}},
	{"Homes.AddManaged", "which makes a home", true, func(ctx context.Context, h *household) error {
		return only(h.Homes.AddManaged(ctx, h.by, h.noa.ID, "New", ""))
	}},
	{"Homes.AddGuest", "", true, func(ctx context.Context, h *household) error {
		return only(h.Homes.AddGuest(ctx, h.by, h.ada.ID))
	}},
	{"Homes.Join", "", true, func(ctx context.Context, h *household) error {
		return h.Homes.Join(ctx, h.by, h.ada.ID, h.noa.ID, false)
	}},
	{"Homes.Rename", "", true, func(ctx context.Context, h *household) error {
		return h.Homes.Rename(ctx, h.by, h.ada.ID, h.kid.UUID, "Other")
	}},
	{"Homes.Restrict", "", false, func(ctx context.Context, h *household) error {
		return h.Homes.Restrict(ctx, h.by, h.ada.ID, h.kid.UUID, "teen")
	}},
	{"Homes.SetAdmin", "", true, func(ctx context.Context, h *household) error {
		return h.Homes.SetAdmin(ctx, h.by, h.ada.ID, h.mia.UUID, true)
	}},
	{"Homes.SetAdmin", "and back", true, func(ctx context.Context, h *household) error {
		err := h.Homes.SetAdmin(ctx, h.by, h.ada.ID, h.mia.UUID, true)
		h.answers(h.here)
		return errors.Join(err, h.Homes.SetAdmin(ctx, h.by, h.ada.ID, h.mia.UUID, false))
	}},
	{"Homes.Remove", "a managed user", true, func(ctx context.Context, h *household) error {
		return h.Homes.Remove(ctx, h.by, h.ada.ID, h.kid.UUID)
	}},
	{"Homes.Remove", "a member", true, func(ctx context.Context, h *household) error {
		return h.Homes.Remove(ctx, h.by, h.ada.ID, h.mia.UUID)
	}},
	{"Homes.ChangePIN", "", true, func(ctx context.Context, h *household) error {
		return h.Homes.ChangePIN(ctx, h.by, h.mia.ID, "", "1234")
	}},
	{"Homes.ResetPIN", "", true, func(ctx context.Context, h *household) error {
		return h.Homes.ResetPIN(ctx, h.by, h.ada.ID, "1234")
	}},
	{"Homes.SetManagedPIN", "", true, func(ctx context.Context, h *household) error {
		return h.Homes.SetManagedPIN(ctx, h.by, h.ada.ID, h.kid.UUID, "1234")
	}},
	{"Homes.Switch", "", true, func(ctx context.Context, h *household) (err error) {
		_, h.tokens["again as kid"], err = h.Homes.Switch(ctx, h.by, h.tv, h.kid.UUID, "", tvOf("tv"))
		return err
	}},
	{"Homes.Choose", "", false, func(ctx context.Context, h *household) error {
		return only(h.Homes.Choose(ctx, h.by, h.ada.ID, h.kid.UUID, ""))
	}},

	{"Tokens.SignIn", "ten times, which evicts the first token", true, func(ctx context.Context, h *household) error {
		return repeat(token.PerDevice, func(i int) (err error) {
			name := fmt.Sprint("of sign-in ", i)
			h.Clock.Advance(time.Second)
			h.tokens[name], err = h.Tokens.SignIn(ctx, h.by, h.Prove(h.mia).Proof, tvOf("tv"))
			return err
		})
	}},
	{"Tokens.SignIn", "with every backup code", true, func(ctx context.Context, h *household) error {
		return repeat(len(h.backup), func(i int) error {
			v, err := h.Accounts.Verify(ctx, h.by, h.noaBy(h.backup[i]))
			if err != nil {
				return err
			}
			return only(h.Tokens.SignIn(ctx, h.by, v.Proof, tvOf(fmt.Sprint("client ", i))))
		})
	}},
	{"Tokens.Issue", "ten times, which evicts the first token", true, func(ctx context.Context, h *household) error {
		return repeat(token.PerDevice, func(int) error {
			h.Clock.Advance(time.Second)
			return only(h.Tokens.Issue(ctx, h.by, h.mia.ID, tvOf("tv")))
		})
	}},
	{"Tokens.IssueKnown", "", false, func(ctx context.Context, h *household) error {
		return h.Tokens.IssueKnown(ctx, h.by, h.mia.ID, tvOf("tv"), "aTokenThatIsChosen01")
	}},
	{"Tokens.ServerToken", "", true, func(ctx context.Context, h *household) (err error) {
		h.tokens["of allow"], err = h.Tokens.ServerToken(ctx, h.by, h.tv, h.Sources.Self().ID,
			func(context.Context, db.Querier) (string, error) { return "usher", nil })
		return err
	}},
	{"Tokens.SignOut", "", true, func(ctx context.Context, h *household) error {
		return h.Tokens.SignOut(ctx, h.by, h.tv)
	}},
	{"Tokens.Revoke", "", true, func(ctx context.Context, h *household) error {
		return h.Tokens.Revoke(ctx, h.by, h.tv.TokenID)
	}},
	{"Tokens.Revoke", "of a linked PIN", true, func(ctx context.Context, h *household) error {
		_, tok, err := h.PINs.Get(ctx, h.pins["linked"].ID, "linked", "192.0.2.9")
		if err != nil {
			return err
		}
		p, err := h.Tokens.Verify(ctx, tok)
		return errors.Join(err, h.Tokens.Revoke(ctx, h.by, p.TokenID))
	}},
	{"Tokens.RevokeDevice", "", true, func(ctx context.Context, h *household) error {
		return h.Tokens.RevokeDevice(ctx, h.by, h.mia.ID, h.tv.DeviceID)
	}},

	{"Tokens.MergeDevices", "", true, func(ctx context.Context, h *household) error {
		into, err := h.Tokens.Issue(ctx, h.by, h.mia.ID, tvOf("installed anew"))
		if err != nil {
			return err
		}
		p, err := h.Tokens.Verify(ctx, into)
		if err != nil {
			return err
		}
		return only(h.Tokens.MergeDevices(ctx, h.by, h.mia.ID, h.tv.DeviceID, p.DeviceID))
	}},

	{"DeviceKeys.Register", "", false, func(ctx context.Context, h *household) error {
		return h.DeviceKeys.Register(ctx, h.by, h.tv, h.deviceKey.Public, "")
	}},
	{"DeviceKeys.Register", "again, of a key that has a JWT", true, func(ctx context.Context, h *household) (err error) {
		h.tokens["jwt"], err = h.jwt(ctx)
		h.answers(h.here)
		if err != nil {
			return err
		}
		tok, err := h.Tokens.SignIn(ctx, h.by, h.Prove(h.mia).Proof, tvOf("box"))
		if err != nil {
			return err
		}
		p, err := h.Tokens.Verify(ctx, tok)
		return errors.Join(err, h.DeviceKeys.Register(ctx, h.by, p, h.deviceKey.Public, ""))
	}},
	{"DeviceKeys.Exchange", "", true, func(ctx context.Context, h *household) error {
		key := devicekeytest.New(h.t, "tv", 9)
		err := h.DeviceKeys.Register(ctx, h.by, h.tv, key.Public, "")
		if err != nil {
			return err
		}
		nonce, err := h.DeviceKeys.Nonce("tv", "192.0.2.9")
		if err != nil {
			return err
		}
		h.tokens["jwt"], err = h.DeviceKeys.Exchange(ctx, h.by, key.Sign(h.t, nonce, h.Clock.Now()))
		return err
	}},

	{"Sources.Add", "", true, func(ctx context.Context, h *household) error {
		h.sources = append(h.sources, "server://attic")
		return only(h.Sources.Add(ctx, h.by, source.Source{
			Kind: source.Server, Identifier: "attic", Name: "Attic", Connections: h.den.Connections,
		}))
	}},
	{"Sources.Remove", "", true, func(ctx context.Context, h *household) error {
		return h.Sources.Remove(ctx, h.by, source.Ref{Kind: source.Server, Identifier: "den"})
	}},
	{"Sources.Remove", "and add again, with other connections", true, func(ctx context.Context, h *household) error {
		err := h.Sources.Remove(ctx, h.by, source.Ref{Kind: source.Provider, Identifier: "music"})
		return errors.Join(err, only(h.Sources.Add(ctx, h.by, source.Source{
			Kind: source.Provider, Identifier: "music", Name: "Other", Connections: []source.Connection{{URI: "http://192.0.2.7:1"}},
		})))
	}},
	{"Sources.Share", "", false, func(ctx context.Context, h *household) error {
		return h.Sources.Share(ctx, h.by, h.den, h.noa.ID)
	}},
	{"Sources.Unshare", "", true, func(ctx context.Context, h *household) error {
		return h.Sources.Unshare(ctx, h.by, h.den, h.mia.ID)
	}},
	{"Sources.Token", "", true, func(ctx context.Context, h *household) (err error) {
		h.tokens["of self"], err = h.Sources.Token(ctx, h.by, h.tv, h.Sources.Self().ID)
		return err
	}},
	{"Sources.AddSection", "", false, func(ctx context.Context, h *household) error {
		return only(h.Sources.AddSection(ctx, h.by, h.den, source.Section{Title: "Music", Kind: "artist"}))
	}},
	{"Sources.RemoveSection", "", false, func(ctx context.Context, h *household) error {
		return only(h.Sources.RemoveSection(ctx, h.by, h.den, h.films.Title))
	}},
	{"Sources.RemoveSectionByID", "", false, func(ctx context.Context, h *household) error {
		return only(h.Sources.RemoveSectionByID(ctx, h.by, h.den, h.films.ID))
	}},
	{"Sources.Choose", "", false, func(ctx context.Context, h *household) error {
		return h.Sources.Choose(ctx, h.by, h.ada.ID, h.share(ctx), h.onlyFilms())
	}},
	{"Sources.EndShare", "as the owner", true, func(ctx context.Context, h *household) error {
		return h.Sources.EndShare(ctx, h.by, h.ada.ID, h.share(ctx))
	}},
	{"Sources.EndShare", "as who reaches the server", true, func(ctx context.Context, h *household) error {
		return h.Sources.EndShare(ctx, h.by, h.mia.ID, h.share(ctx))
	}},

	{"Friends.Invite", "", false, func(ctx context.Context, h *household) error {
		return only(h.invite(ctx, "noa"))
	}},
	{"Friends.Invite", "a managed user, who reaches the server at once", false, func(ctx context.Context, h *household) error {
		w := friend.Wish{AccountID: h.kid.ID, Server: h.den.Identifier}
		return only(h.Friends.Invite(ctx, h.by, h.ada.ID, w))
	}},
	{"Friends.Choose", "", false, func(ctx context.Context, h *household) error {
		number, err := h.invite(ctx, "noa")
		return errors.Join(err, h.Friends.Choose(ctx, h.by, h.ada.ID, number, h.onlyFilms()))
	}},
	{"Friends.Accept", "", false, func(ctx context.Context, h *household) error {
		number, err := h.invite(ctx, "noa")
		return errors.Join(err, h.Friends.Accept(ctx, h.by, h.noa.ID, number))
	}},
	{"Friends.AcceptFrom", "", false, func(ctx context.Context, h *household) error {
		_, err := h.invite(ctx, "noa")
		return errors.Join(err, h.Friends.AcceptFrom(ctx, h.by, h.noa.ID, h.ada.ID))
	}},
	{"Friends.End", "", false, func(ctx context.Context, h *household) error {
		number, err := h.invite(ctx, "noa")
		return errors.Join(err, h.Friends.End(ctx, h.by, h.noa.ID, number))
	}},
	{"Friends.Remove", "of a friend who had accepted", false, func(ctx context.Context, h *household) error {
		number, err := h.invite(ctx, "noa")
		err = errors.Join(err, h.Friends.Accept(ctx, h.by, h.noa.ID, number))
		h.answers(h.here)
		return errors.Join(err, h.Friends.Remove(ctx, h.by, h.noa.ID, h.ada.ID))
	}},
	{"Friends.Remove", "which revokes a token for the server", true, func(ctx context.Context, h *household) error {
		return h.Friends.Remove(ctx, h.by, h.ada.ID, h.mia.ID)
	}},

	{"PINs.Start", "", true, func(_ context.Context, h *household) error { h.start("another"); return nil }},
	{"PINs.Start", "which evicts the oldest", true, func(ctx context.Context, h *household) error {
		err := repeat(250, func(int) error {
			h.Clock.Advance(time.Millisecond) // the first is older than the flood
			_, err := h.PINs.Start(ctx, device.Device{ClientIdentifier: "flood", Address: "192.0.2.9"}, false, "")
			if err != nil {
				return errFlooded
			}
			return nil
		})
		if !errors.Is(err, errFlooded) {
			return fmt.Errorf("the flood was not limited: %w", err)
		}
		return only(h.PINs.Start(ctx, device.Device{ClientIdentifier: "elsewhere", Address: "198.51.100.1"}, false, ""))
	}},
	{"PINs.FindUnasked", "", false, func(ctx context.Context, h *household) error {
		return only(h.PINs.FindUnasked(ctx, h.by, h.waits.Code))
	}},
	{"PINs.Find", "", false, func(ctx context.Context, h *household) error {
		return only(h.PINs.Find(ctx, h.by, h.waits.Code))
	}},
	{"PINs.Link", "", true, func(ctx context.Context, h *household) error {
		return h.PINs.Link(ctx, h.by, h.waits.Code)
	}},
	{"PINs.LinkAs", "", true, func(ctx context.Context, h *household) error {
		return h.PINs.LinkAs(ctx, h.by, h.kid.ID, h.waits.Code)
	}},
	{"PINs.LinkByToken", "", true, func(ctx context.Context, h *household) error {
		return h.PINs.LinkByToken(ctx, h.by, h.tv, h.waits.Code)
	}},
	{"PINs.Forward", "", false, func(_ context.Context, h *household) error {
		return only(h.forward(h.pins["web"]))
	}},
	{"PINs.Redeem", "", true, func(ctx context.Context, h *household) error {
		p := h.pins["web"]
		to, err := h.forward(p)
		if err != nil {
			return err
		}
		proof := plexauth.Secret(to.WithProof.Query().Get(pin.ProofParameter))
		_, _, err = h.PINs.Redeem(ctx, p.ID, "web", "192.0.2.9", proof)
		return err
	}},
	{"PINs.GetJWT", "", true, func(ctx context.Context, h *household) error {
		return only(h.jwt(ctx))
	}},
	{"PINs.Deny", "", true, func(ctx context.Context, h *household) error {
		return h.PINs.Deny(ctx, h.by, h.waits.Code)
	}},

	{"Sessions.Start", "", false, func(ctx context.Context, h *household) error {
		_, _, err := h.Sessions.Start(ctx, h.by, h.Prove(h.mia).Proof, true, "Firefox")
		return err
	}},
	{"Sessions.Start", "with every backup code", true, func(ctx context.Context, h *household) error {
		return repeat(len(h.backup), func(i int) error {
			v, err := h.Accounts.Verify(ctx, h.by, h.noaBy(h.backup[i]))
			if err != nil {
				return err
			}
			_, _, err = h.Sessions.Start(ctx, h.by, v.Proof, true, "Firefox")
			return err
		})
	}},
	{"Sessions.Complete", "", false, func(ctx context.Context, h *household) error {
		half := h.half()
		v, err := h.Accounts.VerifyCode(ctx, h.by, account.Caller{}, h.noa.ID, half.Revision, h.code())
		if err != nil {
			return err
		}
		return only(h.Sessions.Complete(ctx, h.by, half, v.Proof))
	}},
	{"Sessions.Revoke", "", false, func(ctx context.Context, h *household) error {
		return h.Sessions.Revoke(ctx, h.by, h.mia.ID, h.session.ID)
	}},
	{"Sessions.RevokeOthers", "", true, func(ctx context.Context, h *household) error {
		return h.Sessions.RevokeOthers(ctx, h.by, h.mia.ID, h.session.ID)
	}},

	{"Passkeys.FinishAdd", "", false, func(ctx context.Context, h *household) error {
		options, err := h.Passkeys.BeginAdd(ctx, living, h.mia, "browser")
		if err != nil {
			return err
		}
		_, answer := passkeytest.Create(h.t, options, "http://localhost")
		return h.Passkeys.FinishAdd(ctx, h.by, living, h.mia, "browser", "key", answer)
	}},
	{"Passkeys.FinishSignIn", "", false, func(ctx context.Context, h *household) error {
		options, err := h.Passkeys.BeginSignIn(ctx, living, "browser", "192.0.2.1")
		if err != nil {
			return err
		}
		return only(h.Passkeys.FinishSignIn(ctx, h.by, living, "browser", h.key.Sign(h.t, options)))
	}},
	{"Passkeys.FinishSecondFactor", "", false, func(ctx context.Context, h *household) error {
		half := h.half()
		options, err := h.Passkeys.BeginSecondFactor(ctx, living, h.noa.ID, "browser")
		if err != nil {
			return err
		}
		answer := h.key.Sign(h.t, options)
		return only(h.Passkeys.FinishSecondFactor(ctx, h.by, living, h.noa.ID, half.Revision, "browser", answer))
	}},
	{"Passkeys.Replacing", "", false, func(ctx context.Context, h *household) error {
		options, err := h.Passkeys.BeginReplace(ctx, living, h.noa, "browser")
		if err != nil {
			return err
		}
		_, answer := passkeytest.Create(h.t, options, "http://localhost")
		made, err := h.Passkeys.FinishReplace(ctx, living, h.noa.ID, "browser", "key", answer)
		if err != nil {
			return err
		}
		return h.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			return h.Passkeys.Replacing(h.by, made)(ctx, tx, h.noa.ID)
		})
	}},
	{"Passkeys.Remove", "", false, func(ctx context.Context, h *household) error {
		return h.Passkeys.Remove(ctx, h.by, h.noa.ID, 1)
	}},

	{"Origins.Allow", "", false, func(ctx context.Context, h *household) error {
		return only(h.Origins.Allow(ctx, h.by, "https://b.example.org"))
	}},
	{"Origins.Remove", "", false, func(ctx context.Context, h *household) error {
		return only(h.Origins.Remove(ctx, h.by, "https://a.example.org"))
	}},

	{"Invites.Make", "", false, func(ctx context.Context, h *household) error {
		_, _, err := h.link(ctx)
		return err
	}},
	{"Invites.Find", "", false, func(ctx context.Context, h *household) error {
		secret, _, err := h.link(ctx)
		return errors.Join(err, only(h.Invites.Find(ctx, audit.Actor{}, secret)))
	}},
	{"Invites.Revoke", "", false, func(ctx context.Context, h *household) error {
		_, made, err := h.link(ctx)
		return errors.Join(err, h.Invites.Revoke(ctx, h.by, made.ID))
	}},
	{"Invites.Accept", "", false, func(ctx context.Context, h *household) error {
		secret, _, err := h.link(ctx)
		chosen := invite.Chosen{Username: "ida", Password: coretest.Password}
		return errors.Join(err, only(h.Invites.Accept(ctx, audit.Actor{}, secret, chosen)))
	}},

	{"Webhooks.Set", "", false, func(ctx context.Context, h *household) error {
		return only(h.Webhooks.Set(ctx, h.by, h.mia.ID, []string{"https://hook.example.org/"}))
	}},
	{"Webhooks.Add", "", false, func(ctx context.Context, h *household) error {
		return h.Webhooks.Add(ctx, h.by, h.mia.ID, "https://other.example.org/")
	}},
	{"Webhooks.Remove", "", false, func(ctx context.Context, h *household) error {
		return h.Webhooks.Remove(ctx, h.by, h.mia.ID, "https://other.example.org/")
	}},
	{"Webhooks.Secret", "", false, func(ctx context.Context, h *household) error {
		return only(h.Webhooks.Secret(ctx, h.by, h.mia.ID))
	}},
	{"Webhooks.Renew", "", false, func(ctx context.Context, h *household) error {
		return only(h.Webhooks.Renew(ctx, h.by, h.mia.ID))
	}},

	{"Accounts.SetRules", "", false, func(ctx context.Context, h *household) error {
		yes := true
		return h.Accounts.SetRules(ctx, h.by, h.noa.ID, nil, &yes, h.Passkeys)
	}},
	{"Accounts.SetAdminRule", "", false, func(ctx context.Context, h *household) error {
		return h.Accounts.SetAdminRule(ctx, h.by, true, time.Hour)
	}},
	{"Notices.SetQuiet", "", false, func(ctx context.Context, h *household) error {
		return h.Notices.SetQuiet(ctx, h.by, h.mia.ID, true)
	}},

	{"AdminKeys.Make", "", true, func(ctx context.Context, h *household) (err error) {
		n := adminkey.NewKey{Name: "other", Scopes: []string{"accounts:read"}}
		h.keys["other"], _, err = h.AdminKeys.Make(ctx, h.by, n)
		return err
	}},
	{"AdminKeys.Revoke", "", true, func(ctx context.Context, h *household) error {
		return h.AdminKeys.Revoke(ctx, h.by, h.adaKey.ID)
	}},

	{"Signing.Replace", "at once, while a JWT is valid", true, func(ctx context.Context, h *household) (err error) {
		h.tokens["jwt"], err = h.jwt(ctx)
		h.answers(h.here)
		return errors.Join(err, h.Signing.Replace(ctx, h.by, true))
	}},
	{"Signing.Replace", "in a day", true, func(ctx context.Context, h *household) error {
		return h.Signing.Replace(ctx, h.by, false)
	}},
}

// errFlooded ends a flood.
var errFlooded = errors.New("no more PINs")

// methodsWithAnActor lists the methods of the services that take an actor and run in a
// transaction of their own.
func methodsWithAnActor() (names []string) {
	actor, tx := reflect.TypeFor[audit.Actor](), reflect.TypeFor[*db.Tx]()
	services := reflect.TypeFor[core.Core]()
	for _, field := range reflect.VisibleFields(services) {
		if !field.IsExported() || field.Type.Kind() != reflect.Pointer {
			continue
		}
		for i := range field.Type.NumMethod() {
			method := field.Type.Method(i)
			takes := slices.Collect(method.Type.Ins())
			if slices.Contains(takes, actor) && !slices.Contains(takes, tx) {
				names = append(names, field.Name+"."+method.Name)
			}
		}
	}
	return names
}

// A method that changes something must invalidate the caches: those of its own process
// before it returns, and those of other processes within a second. The test compares the
// answers of these processes with those of a new one.
func TestCachesAreTrue(t *testing.T) {
	rows := make(map[string]bool)
	for _, row := range changingMethods {
		rows[row.method] = true
		t.Run(strings.TrimSpace(row.method+" "+row.note), func(t *testing.T) {
			t.Parallel()
			h := newHousehold(t)
			before := h.answers(h.here)
			for _, p := range []process{h.here, h.there, h.there} { // from the database, then from the caches
				if diff := cmp.Diff(before, h.answers(p)); diff != "" {
					t.Fatalf("two processes differ before the change (-one +the other):\n%s", diff)
				}
			}
			h.must(row.do(t.Context(), h))
			changed := time.Now()
			here := h.answers(h.here)
			want := h.answers(newProcess(h.Restart()))
			if diff := cmp.Diff(want, here); diff != "" {
				t.Errorf("after the change, the same process has outdated answers (-want +got):\n%s", diff)
			}
			if row.seen == maps.Equal(want, before) {
				t.Errorf("the answers differ after the change: %v, want %v", !row.seen, row.seen)
			}
			there := h.answers(h.there)
			for !maps.Equal(want, there) && time.Since(changed) < time.Second {
				time.Sleep(10 * time.Millisecond)
				there = h.answers(h.there)
			}
			if diff := cmp.Diff(want, there); diff != "" {
				t.Errorf("a second after the change, the other process has outdated answers (-want +got):\n%s", diff)
			}
		})
	}
	methods := methodsWithAnActor()
	if len(methods) < 30 {
		t.Fatalf("found only %d methods that take an actor: %v", len(methods), methods)
	}
	for _, name := range methods {
		if !rows[name] {
			t.Errorf("%s takes an actor and has no row: add one", name)
		}
	}
}
