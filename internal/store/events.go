package store

// EventKind names what happened, as it stands in the audit log.
type EventKind string

// What the audit log tells. Each has its row in eventKinds.
const (
	EventSignIn           EventKind = "sign-in"
	EventSignInRefused    EventKind = "sign-in.refused"
	EventSignInUnfinished EventKind = "sign-in.unfinished"
	EventSignOut          EventKind = "sign-out"

	EventTokenMade    EventKind = "token.made"
	EventTokenRevoked EventKind = "token.revoked"

	EventAccountAdded    EventKind = "account.added"
	EventAccountChanged  EventKind = "account.changed"
	EventAccountRemoved  EventKind = "account.removed"
	EventAccountDisabled EventKind = "account.disabled"
	EventAccountEnabled  EventKind = "account.enabled"

	EventPasswordChanged     EventKind = "password.changed"
	EventSecondFactorAdded   EventKind = "second-factor.added"
	EventSecondFactorRemoved EventKind = "second-factor.removed"
	EventBackupCodeUsed      EventKind = "backup-code.used"

	EventPasskeyAdded   EventKind = "passkey.added"
	EventPasskeyRemoved EventKind = "passkey.removed"
	EventPasskeyUsed    EventKind = "passkey.used"

	EventPINLinked      EventKind = "pin.linked"
	EventPINRefused     EventKind = "pin.refused"
	EventSessionStarted EventKind = "session.started"
	EventSessionEnded   EventKind = "session.ended"

	EventOriginAllowed EventKind = "origin.allowed"
	EventOriginRemoved EventKind = "origin.removed"

	EventServerAdded     EventKind = "server.added"
	EventServerRemoved   EventKind = "server.removed"
	EventProviderAdded   EventKind = "provider.added"
	EventProviderRemoved EventKind = "provider.removed"
	EventShareAdded      EventKind = "share.added"
	EventShareRemoved    EventKind = "share.removed"
)

// EventMeaning says what an event means.
type EventMeaning struct {
	Kind  EventKind
	Means string
}

// eventKinds is every event and what it means. docs/operations.md has the same
// table.
var eventKinds = [...]EventMeaning{
	{EventSignIn, "a device signed in and was given a token"},
	{EventSignInRefused, "a sign-in was refused: wrong password or code, no such account, or a disabled one"},
	{EventSignInUnfinished, "the password was right, and the second factor was still to come"},
	{EventSignOut, "a device ended its token"},

	{EventTokenMade, "a device was given a token for one server"},
	{EventTokenRevoked, "a token was ended by somebody else, or made room for a newer one of the same device"},

	{EventAccountAdded, "an account was made"},
	{EventAccountChanged, "an account was given another name or e-mail address"},
	{EventAccountRemoved, "an account was removed, with its devices, tokens and shares"},
	{EventAccountDisabled, "an account was kept from signing in, and its tokens from working"},
	{EventAccountEnabled, "a disabled account was let work again"},

	{EventPasswordChanged, "an account was given another password"},
	{EventSecondFactorAdded, "an account was given a second factor, in place of any before it"},
	{EventSecondFactorRemoved, "an account's second factor was taken away"},
	{EventBackupCodeUsed, "a sign-in used up a backup code"},

	{EventPasskeyAdded, "an account was given a passkey"},
	{EventPasskeyRemoved, "an account's passkey was taken away"},
	{EventPasskeyUsed, "a sign-in was proved by a passkey"},

	{EventPINLinked, "somebody let a device sign in by its PIN"},
	{EventPINRefused, "somebody was asked whether a device may sign in, and said no"},
	{EventSessionStarted, "a browser was signed in"},
	{EventSessionEnded, "a browser was signed out"},

	{EventOriginAllowed, "people may be sent back to a web address without being asked"},
	{EventOriginRemoved, "they are asked again"},

	{EventServerAdded, "a server was made known"},
	{EventServerRemoved, "a server was removed, with its shares and the tokens for it"},
	{EventProviderAdded, "a provider was made known"},
	{EventProviderRemoved, "a provider was removed"},
	{EventShareAdded, "an account was let reach a server"},
	{EventShareRemoved, "a share was taken back, with the tokens that rested on it"},
}

// EventMeanings lists every event with what it means.
func EventMeanings() []EventMeaning { return eventKinds[:] }
