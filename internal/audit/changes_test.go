package audit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pquerna/otp/totp"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/devicekey/devicekeytest"
	"github.com/usher-auth/usher/internal/friend"
	"github.com/usher-auth/usher/internal/invite"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/passkey/passkeytest"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/plexauth"
)

// site is the party of passkeys.
var site = passkey.Party{ID: "localhost", Origins: []string{"http://localhost"}}

// addSource adds a source of a kind.
func (w *fixture) addSource(by audit.Actor, kind source.Kind, identifier, name string) source.Source {
	w.t.Helper()
	src, err := w.Sources.Add(w.t.Context(), by, source.Source{
		Kind: kind, Identifier: identifier, Name: name, Connections: []source.Connection{{URI: "http://192.0.2.5:32400"}},
	})
	w.must(err)
	return src
}

// principal returns the holder of a token.
func (w *fixture) principal(tok plexauth.Secret) token.Principal {
	w.t.Helper()
	p, err := w.Tokens.Verify(w.t.Context(), tok)
	w.must(err)
	return p
}

// Each change has its row, with the text for users. A failed change has no row, or only
// that of an attempt.
func TestChangesAreRecorded(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	w := newFixture(t, core.Config{Now: func() time.Time { return now }, FailedTries: 2})
	ctx, must := t.Context(), w.must
	operator := audit.Actor{Name: "command line (olga)"}
	tv := audit.Actor{Device: "Player on Living room", Address: "192.0.2.7"}

	first, err := w.Accounts.AddFirst(ctx, operator, account.NewAccount{
		Username: "olga", Email: "olga@example.org", Password: coretest.Password, Admin: true,
	})
	must(err)
	mia := w.addBy(operator, "mia")
	if _, err := w.Accounts.Add(ctx, operator, account.NewAccount{Username: "mia", Managed: true}); !errors.Is(err, account.ErrExists) {
		t.Errorf("two accounts have the same name: %v", err)
	}
	page := audit.Actor{AccountID: first.Account.ID, Device: "Browser", Address: "192.0.2.8"}
	own := audit.Actor{AccountID: mia.ID, Device: tv.Device, Address: tv.Address}
	verify := func(password, code plexauth.Secret) (account.Verified, error) {
		return w.Accounts.VerifyPassword(ctx, tv, account.Credentials{Login: "mia", Password: password, Code: code})
	}
	signIn := func(code plexauth.Secret) token.Principal {
		t.Helper()
		v, err := verify(coretest.Password, code)
		must(err)
		tok, err := w.signIn(tv, v.Proof, "tv")
		must(err)
		return w.principal(tok)
	}

	one := signIn("")
	_, err = verify("wrong password", "")
	if !errors.Is(err, account.ErrCredentials) {
		t.Errorf("a wrong password: %v", err)
	}
	_, err = w.Accounts.Verify(ctx, tv, account.Credentials{Login: "nobody", Password: "wrong password"})
	if !errors.Is(err, account.ErrCredentials) {
		t.Errorf("an unknown login: %v", err)
	}
	den := w.addSource(page, source.Server, "den", "Den")
	must(w.Sources.Share(ctx, page, den, mia.ID))
	for range 3 { // the third time it is there already
		_, err = w.Sources.Token(ctx, own, one, den.ID)
		must(err)
	}
	must(w.Sources.Unshare(ctx, page, den, mia.ID))

	enrolment := account.NewEnrolment("usher", "mia")
	backup, err := w.Accounts.Enrol(ctx, own, mia.ID, enrolment, "")
	must(err)
	three := signIn(backup[0])
	thief := audit.Actor{Device: "Thief", Address: "192.0.2.66"}
	for range 3 { // the third time it is locked
		_, err = w.Accounts.Verify(ctx, thief, account.Credentials{Login: "mia", Password: coretest.Password, Code: "000000"})
		if err == nil {
			t.Error("a wrong code is accepted")
		}
	}
	now = now.Add(time.Minute)
	_, _, err = w.Accounts.NewLink(ctx, page, mia.ID)
	must(err)
	code, err := totp.GenerateCode(string(enrolment.Secret), now)
	must(err)
	signIn(plexauth.Secret(code))
	v, err := verify(coretest.Password, "")
	must(err)
	_, half, err := w.Sessions.Start(ctx, tv, v.Proof, v.Complete, "Firefox")
	must(err)
	whole, err := w.Accounts.VerifyCode(ctx, tv, account.Caller{}, mia.ID, half.Revision, backup[1])
	must(err)
	_, err = w.Sessions.Complete(ctx, tv, half, whole.Proof)
	must(err)
	must(w.Sessions.Revoke(ctx, own, mia.ID, half.ID))
	must(w.Accounts.RemoveSecondFactor(ctx, operator, mia.ID))
	must(w.Accounts.SetPassword(ctx, own, mia.ID, coretest.Password))

	options, err := w.Passkeys.BeginAdd(ctx, site, mia, "browser")
	must(err)
	key, answer := passkeytest.Create(t, options, "http://localhost")
	must(w.Passkeys.FinishAdd(ctx, own, site, mia, "browser", "phone", answer))
	options, err = w.Passkeys.BeginSignIn(ctx, site, "browser", tv.Address)
	must(err)
	v, err = w.Passkeys.FinishSignIn(ctx, tv, site, "browser", key.Sign(t, options))
	must(err)
	_, _, err = w.Sessions.Start(ctx, tv, v.Proof, true, "Firefox")
	must(err)
	no, yes := false, true
	must(w.Accounts.SetRules(ctx, page, mia.ID, &yes, &no, w.Passkeys))
	must(w.Accounts.SetRules(ctx, page, mia.ID, &no, nil, w.Passkeys))
	must(w.Accounts.SetAdminRule(ctx, page, true, time.Hour))
	must(w.Accounts.SetAdminRule(ctx, page, true, time.Hour))
	must(w.Accounts.SetAdminRule(ctx, page, false, 0))
	must(w.Passkeys.Remove(ctx, own, mia.ID, 1))

	for _, deny := range []bool{false, true} {
		p, err := w.PINs.Start(ctx, device.Device{ClientIdentifier: "box", Product: "Cinema", Address: "192.0.2.9"}, true, "")
		must(err)
		if deny {
			must(w.PINs.Deny(ctx, own, p.Code))
		} else {
			must(w.PINs.Link(ctx, own, p.Code))
		}
	}
	deviceKey := devicekeytest.New(t, "tv", 1)
	for range 2 { // the second time it is there already
		must(w.DeviceKeys.Register(ctx, own, three, deviceKey.Public, ""))
	}
	for range 2 {
		nonce, err := w.DeviceKeys.Nonce("tv", tv.Address)
		must(err)
		_, err = w.DeviceKeys.Exchange(ctx, tv, deviceKey.Sign(t, nonce, now))
		must(err)
	}
	one, three = signIn(""), signIn("")
	_, err = w.Origins.Allow(ctx, page, "https://app.example.org")
	must(err)
	_, err = w.Origins.Remove(ctx, page, "https://app.example.org")
	must(err)
	_, script, err := w.AdminKeys.Make(ctx, page, adminkey.NewKey{
		Name: "script", Scopes: []string{"audit:read", "accounts:write"}, MakerID: page.AccountID,
	})
	must(err)
	_, err = w.Origins.Allow(ctx, script.Actor(page.Address), "https://key.example.org")
	must(err)
	must(w.AdminKeys.Revoke(ctx, page, script.ID))
	if _, err = w.AdminKeys.Verify(ctx, thief.Address, "guessed"); !errors.Is(err, adminkey.ErrInvalid) {
		t.Errorf("a wrong key: %v", err)
	}
	must(w.Signing.Replace(ctx, page, true))
	w.addSource(page, source.Provider, "music", "Music")
	must(w.Sources.Remove(ctx, page, source.Ref{Kind: source.Provider, Identifier: "music"}))

	must(w.Sources.Share(ctx, page, den, mia.ID))
	_, err = w.Sources.Token(ctx, own, one, den.ID)
	must(err)
	must(w.Tokens.Revoke(ctx, page, one.TokenID))
	must(w.Tokens.SignOut(ctx, own, three))
	must(w.Tokens.RevokeDevice(ctx, own, mia.ID, 1))
	must(w.Sessions.RevokeOthers(ctx, own, mia.ID, 2))
	for _, quiet := range []bool{true, true, false} {
		must(w.Notices.SetQuiet(ctx, own, mia.ID, quiet))
	}
	must(w.Accounts.SetIdentity(ctx, page, mia.ID, "Mia", ""))
	must(w.Accounts.Disable(ctx, page, mia.ID))
	must(w.Accounts.Enable(ctx, page, mia.ID))
	must(w.Accounts.Promote(ctx, page, mia.ID))
	must(w.Accounts.Demote(ctx, page, mia.ID, w.Sources))

	kid, err := w.Homes.AddManaged(ctx, page, page.AccountID, "Kid", "")
	must(err)
	must(w.Homes.Restrict(ctx, page, page.AccountID, kid.Account.UUID, "teen"))
	must(w.Homes.SetManagedPIN(ctx, page, page.AccountID, kid.Account.UUID, "4321"))
	must(w.Homes.Join(ctx, operator, page.AccountID, mia.ID, false))
	one = signIn("")
	for _, given := range []plexauth.Secret{"0000", "4321"} {
		_, _, err = w.Homes.Switch(ctx, own, one, kid.Account.UUID, given, device.Device{ClientIdentifier: "tv"})
		if (err == nil) != (given == "4321") {
			t.Errorf("switching with the PIN %s: %v", string(given), err)
		}
	}
	must(w.Homes.SetManagedPIN(ctx, page, page.AccountID, kid.Account.UUID, ""))
	must(w.Homes.Remove(ctx, page, page.AccountID, mia.UUID))
	must(w.Homes.Remove(ctx, page, page.AccountID, kid.Account.UUID))
	for range 2 { // the second time, nothing changes
		_, err = w.Webhooks.Set(ctx, own, mia.ID, []string{"https://hook.example.org/secret"})
		must(err)
	}
	_, err = w.Webhooks.Secret(ctx, own, mia.ID)
	must(err)
	_, err = w.Webhooks.Renew(ctx, operator, mia.ID)
	must(err)

	films, err := w.Sources.AddSection(ctx, page, den, source.Section{Title: "Films"})
	must(err)
	onlyFilms := source.Choice{Some: true, Sections: []int64{films.ID}}
	shares, err := w.Sources.SharesTo(ctx, mia.ID)
	must(err)
	for range 2 { // the second time, nothing changes
		must(w.Sources.Choose(ctx, page, page.AccountID, shares[0].Number, onlyFilms))
	}
	_, unused, err := w.Invites.Make(ctx, page, invite.New{Name: "ida", Servers: []source.Source{den}})
	must(err)
	must(w.Invites.Revoke(ctx, page, unused.ID))
	link, _, err := w.Invites.Make(ctx, operator, invite.New{})
	must(err)
	joined, err := w.Invites.Accept(ctx, tv, link, invite.Chosen{Username: "ida", Password: coretest.Password})
	must(err)
	ida := joined.Account
	byIda := audit.Actor{AccountID: ida.ID}
	toDen := friend.Wish{Name: "ida", Server: "den"}
	sent, err := w.Friends.Invite(ctx, page, page.AccountID, toDen)
	must(err)
	for range 2 { // the second time, nothing changes
		must(w.Friends.Choose(ctx, page, page.AccountID, sent.Number, onlyFilms))
	}
	must(w.Friends.End(ctx, byIda, ida.ID, sent.Number))
	sent, err = w.Friends.Invite(ctx, page, page.AccountID, toDen)
	must(err)
	must(w.Friends.Accept(ctx, byIda, ida.ID, sent.Number))
	must(w.Friends.Remove(ctx, page, page.AccountID, ida.ID))
	sent, err = w.Friends.Invite(ctx, page, page.AccountID, friend.Wish{Name: "ida"})
	must(err)
	must(w.Friends.End(ctx, page, page.AccountID, sent.Number))
	_, err = w.Sources.RemoveSection(ctx, operator, den, "films")
	must(err)
	for _, client := range []string{"old", "new"} {
		_, err = w.Tokens.SignIn(ctx, tv, w.prove(ida), device.Device{ClientIdentifier: client})
		must(err)
	}
	old, _, err := w.Devices.Known(ctx, ida.ID, "old")
	must(err)
	_, err = w.Tokens.MergeDevices(ctx, byIda, ida.ID, old, old+1)
	must(err)
	reset, _, err := w.Accounts.NewReset(ctx, page, mia.ID, account.Reset{Password: true}, 0)
	must(err)
	_, err = w.Accounts.UseReset(ctx, tv, reset, account.ResetWith{New: coretest.Password}, w.Sessions)
	must(err)

	must(w.Accounts.Rename(ctx, page, mia.ID, "Maria"))
	must(w.Accounts.SetEmail(ctx, page, mia.ID, "maria@example.org"))
	must(w.Accounts.SetEmail(ctx, own, mia.ID, "mia@example.org"))
	must(w.Accounts.ConfirmEmail(ctx, page, mia.ID, "mia@example.org"))
	must(w.Sources.Remove(ctx, page, source.Ref{Kind: source.Server, Identifier: "den"}))
	must(w.Accounts.Remove(ctx, page, mia.ID))
	if err := w.Accounts.Remove(ctx, page, mia.ID); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("an account was removed twice: %v", err)
	}

	const tvRow, pageRow = "Player on Living room|192.0.2.7|", "Browser|192.0.2.8|"
	want := []string{
		"account.added|olga|command line (olga)|||admin",
		"account.added|mia|command line (olga)|||",
		"sign-in|mia||" + tvRow + "token 1",
		"sign-in.refused|mia||" + tvRow + "wrong password",
		"sign-in.refused|||" + tvRow + "no such account",
		"server.added||olga|" + pageRow + "Den",
		"share.added|mia|olga|" + pageRow + "Den",
		"token.made|mia||" + tvRow + "token 2 for Den",
		"share.removed|mia|olga|" + pageRow + "Den, and one token",
		"second-factor.added|mia||" + tvRow,
		"backup-code.used|mia||" + tvRow,
		"sign-in|mia||" + tvRow + "token 3",
		"sign-in.refused|mia||Thief|192.0.2.66|wrong verification code",
		"second-factor.guessed|mia||Thief|192.0.2.66|2 wrong codes in a row, locked for 1m0s",
		"sign-in.refused|mia||Thief|192.0.2.66|wrong verification code",
		"second-factor.link|mia|olga|" + pageRow,
		"sign-in|mia||" + tvRow + "token 4, with a verification code",
		"sign-in.unfinished|mia||" + tvRow + "session 1",
		"backup-code.used|mia||" + tvRow,
		"session.started|mia||" + tvRow + "session 1",
		"session.ended|mia||" + tvRow + "session 1",
		"second-factor.removed|mia|command line (olga)|||",
		"password.changed|mia||" + tvRow,
		"passkey.added|mia||" + tvRow + "passkey 1, phone",
		"passkey.used|mia||" + tvRow + "passkey 1, phone",
		"session.started|mia||" + tvRow + "session 2",
		"rules.changed|mia|olga|" + pageRow + "password off",
		"rules.changed|mia|olga|" + pageRow + "none",
		"admin-rule.changed||olga|" + pageRow + "on, with a grace of 1h0m0s",
		"admin-rule.changed||olga|" + pageRow + "off",
		"passkey.removed|mia||" + tvRow + "passkey 1, phone",
		"pin.linked|mia||" + tvRow + "token 5 for Cinema",
		"pin.refused|mia||" + tvRow + "Cinema",
		"device-key.added|mia||" + tvRow + "token 6 of device 1",
		"jwt.issued|mia||" + tvRow + "for device key 6, in place of 3 tokens",
		"jwt.issued|mia||" + tvRow + "for device key 6",
		"sign-in|mia||" + tvRow + "token 7",
		"sign-in|mia||" + tvRow + "token 8",
		"origin.allowed||olga|" + pageRow + "https://app.example.org",
		"origin.removed||olga|" + pageRow + "https://app.example.org",
		"admin-key.made|olga||" + pageRow + "key script: accounts:write audit:read",
		"origin.allowed||admin key script of olga|admin API, key 1|192.0.2.8|https://key.example.org",
		"admin-key.revoked|olga||" + pageRow + "key script: accounts:write audit:read",
		"admin-key.refused||||192.0.2.66|",
		"signing-key.replaced||olga|" + pageRow + "signs at once",
		"provider.added||olga|" + pageRow + "Music",
		"provider.removed||olga|" + pageRow + "Music",
		"share.added|mia|olga|" + pageRow + "Den",
		"token.made|mia||" + tvRow + "token 9 for Den",
		"token.revoked|mia|olga|" + pageRow + "token 7 of Test, and one token",
		"sign-out|mia||" + tvRow + "token 8 of Test",
		"token.revoked|mia||" + tvRow + "1 of device 1",
		"token.revoked|mia||" + tvRow + "all 1, and every browser but one",
		"notices.changed|mia||" + tvRow + "e-mails about new devices: off",
		"notices.changed|mia||" + tvRow + "e-mails about new devices: on",
		"account.changed|mia|olga|" + pageRow + "the name",
		"account.disabled|Mia|olga|" + pageRow,
		"account.enabled|Mia|olga|" + pageRow,
		"account.promoted|Mia|olga|" + pageRow,
		"account.demoted|Mia|olga|" + pageRow,
		"home.joined|olga||" + pageRow + "owner, the home of account 1",
		"account.added|Kid|olga|" + pageRow + "managed",
		"home.joined|Kid|olga|" + pageRow + "managed, the home of account 1",
		"home.changed|Kid|olga|" + pageRow + "restriction teen, the home of account 1",
		"home-pin.changed|Kid|olga|" + pageRow + "the home of account 1",
		"home.joined|Mia|command line (olga)|||member, the home of account 1",
		"sign-in|Mia||" + tvRow + "token 10",
		"home-pin.refused|Kid|Mia|" + tvRow,
		"home.switched|Kid|Mia|" + tvRow + "token 11, the home of account 1",
		"home-pin.removed|Kid|olga|" + pageRow + "the home of account 1",
		"home.left|Mia|olga|" + pageRow + "member, and one token, the home of account 1",
		"home.left|Kid|olga|" + pageRow + "the home of account 1",
		"account.removed|Kid|olga|" + pageRow,
		"webhooks.changed|Mia||" + tvRow + "1",
		"webhook-secret.shown|Mia||" + tvRow,
		"webhook-secret.renewed|Mia|command line (olga)|||",
		"section.added||olga|" + pageRow + "Films, Den",
		"share.changed|Mia|olga|" + pageRow + "Den, one section",
		"invitation.made||olga|" + pageRow + "invitation 1 for ida, shares Den",
		"invitation.revoked||olga|" + pageRow + "invitation 1",
		"invitation.made||command line (olga)|||invitation 2",
		"account.added|ida||" + tvRow,
		"invitation.used|ida||" + tvRow + "invitation 2",
		"invitation.sent|ida|olga|" + pageRow + "account 1 invites to Den",
		"invitation.sent|ida|olga|" + pageRow + "account 1 invites to Den, one section",
		"invitation.ended|ida||||account 1 invites to Den",
		"invitation.sent|ida|olga|" + pageRow + "account 1 invites to Den",
		"share.added|ida||||Den",
		"invitation.accepted|ida||||account 1 invites to Den",
		"share.removed|ida|olga|" + pageRow + "Den",
		"friend.removed|ida|olga|" + pageRow + "of account 1",
		"invitation.sent|ida|olga|" + pageRow + "account 1 invites a friend",
		"invitation.ended|ida|olga|" + pageRow + "account 1 invites a friend",
		"section.removed||command line (olga)|||Films, Den",
		"sign-in|ida||" + tvRow + "token 12",
		"sign-in|ida||" + tvRow + "token 13",
		"device.merged|ida||||device 9 into device 10: 1 moved",
		"reset.link|Mia|olga|" + pageRow + "for a new password",
		"password.changed|Mia||" + tvRow + "by a reset link",
		"token.revoked|Mia||" + tvRow + "all 1, and every browser",
		"account.changed|Mia|olga|" + pageRow + "the name",
		"account.changed|Maria|olga|" + pageRow + "the e-mail address",
		"account.changed|Maria||" + tvRow + "the e-mail address",
		"email.confirmed|Maria|olga|" + pageRow,
		"server.removed||olga|" + pageRow + "Den",
		"account.removed|Maria|olga|" + pageRow,
	}
	got := w.lines()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the log (-want +got):\n%s", diff)
	}
	for _, m := range audit.Meanings() {
		if strings.HasPrefix(string(m.Kind), "database.") {
			continue // it concerns the whole database: package core tests it
		}
		if !strings.Contains("\n"+strings.Join(got, "\n"), "\n"+string(m.Kind)+"|") {
			t.Errorf("this test has no change that is recorded as %s: add one", m.Kind)
		}
	}
	if row, problem := w.broken(); row != 0 {
		t.Errorf("row %d %s", row, problem)
	}
}

// A change without an effect has no row: the log must not claim what did not happen.
func TestNoChangeIsNotRecorded(t *testing.T) {
	w := newFixture(t, core.Config{})
	mia, ctx := w.add("mia"), t.Context()
	disable := func() error { return w.Accounts.Disable(ctx, nobody, mia.ID) }
	enable := func() error { return w.Accounts.Enable(ctx, nobody, mia.ID) }
	name := func(name string) func() error {
		return func() error { return w.Accounts.SetIdentity(ctx, nobody, mia.ID, name, "") }
	}
	for _, c := range []struct {
		name string
		do   func() error
		want string // the event, once
	}{
		{"removing no second factor", func() error { return w.Accounts.RemoveSecondFactor(ctx, nobody, mia.ID) }, ""},
		{"enabling", enable, ""},
		{"disabling", disable, "account.disabled"},
		{"disabling again", disable, ""},
		{"enabling what is disabled", enable, "account.enabled"},
		{"the same name", name("mia"), ""},
		{"demoting a member", func() error { return w.Accounts.Demote(ctx, nobody, mia.ID, w.Sources) }, ""},
		{"renaming to the same", func() error { return w.Accounts.Rename(ctx, nobody, mia.ID, "mia") }, ""},
		{"the same address", func() error { return w.Accounts.SetEmail(ctx, nobody, mia.ID, "") }, ""},
		{"the name in capitals", name("MIA"), "account.changed"},
		{"revoking what is not there", func() error { return w.Sessions.RevokeOthers(ctx, nobody, mia.ID, 0) }, ""},
		{"the same password", func() error {
			return w.Accounts.SetPassword(ctx, nobody, mia.ID, coretest.Password)
		}, "password.changed"},
	} {
		before := len(w.lines())
		if err := c.do(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		var got string
		for _, line := range w.lines()[before:] {
			event, _, _ := strings.Cut(line, "|")
			got += event
		}
		if got != c.want {
			t.Errorf("%s is recorded as %q, want %q", c.name, got, c.want)
		}
	}
	before := w.lines()
	for what, row := range map[string]struct{ got, want error }{
		"disabling nobody":           {w.Accounts.Disable(ctx, nobody, 99), account.ErrNotFound},
		"promoting nobody":           {w.Accounts.Promote(ctx, nobody, 99), account.ErrNotFound},
		"demoting nobody":            {w.Accounts.Demote(ctx, nobody, 99, w.Sources), account.ErrNotFound},
		"renaming nobody":            {w.Accounts.SetIdentity(ctx, nobody, 99, "noa", ""), account.ErrNotFound},
		"nobody's second factor":     {w.Accounts.RemoveSecondFactor(ctx, nobody, 99), account.ErrNotFound},
		"nobody's password":          {w.Accounts.SetPassword(ctx, nobody, 99, coretest.Password), account.ErrNotFound},
		"a token that is not there":  {w.Tokens.Revoke(ctx, nobody, 99), token.ErrNotFound},
		"a device without a token":   {w.Tokens.RevokeDevice(ctx, nobody, mia.ID, 99), token.ErrNoDevice},
		"a passkey that is not hers": {w.Passkeys.Remove(ctx, nobody, mia.ID, 99), passkey.ErrNotFound},
		"a share that is not there":  {w.Sources.Unshare(ctx, nobody, source.Source{ID: 99}, mia.ID), source.ErrNotShared},
	} {
		if !errors.Is(row.got, row.want) {
			t.Errorf("%s returned %v, want %v", what, row.got, row.want)
		}
	}
	if after := w.lines(); len(after) != len(before) {
		t.Errorf("a failed change is recorded: %s", fmt.Sprint(after[len(before):]))
	}
}
