package audit

// Kind names what happened. The names are stored.
type Kind string

// The kinds of event. Each has its row in kinds.
const (
	SignIn           Kind = "sign-in"
	SignInRefused    Kind = "sign-in.refused"
	SignInUnfinished Kind = "sign-in.unfinished"
	SignOut          Kind = "sign-out"

	TokenMade    Kind = "token.made"
	TokenRevoked Kind = "token.revoked"

	DevicesMerged  Kind = "device.merged"
	DeviceKeyAdded Kind = "device-key.added"
	JWTIssued      Kind = "jwt.issued"

	AccountAdded    Kind = "account.added"
	AccountChanged  Kind = "account.changed"
	AccountRemoved  Kind = "account.removed"
	AccountDisabled Kind = "account.disabled"
	AccountEnabled  Kind = "account.enabled"
	AccountPromoted Kind = "account.promoted"
	AccountDemoted  Kind = "account.demoted"

	EmailConfirmed      Kind = "email.confirmed"
	PasswordChanged     Kind = "password.changed"
	SecondFactorAdded   Kind = "second-factor.added"
	SecondFactorRemoved Kind = "second-factor.removed"
	SecondFactorGuessed Kind = "second-factor.guessed"
	SecondFactorLink    Kind = "second-factor.link"
	BackupCodeUsed      Kind = "backup-code.used"
	RulesChanged        Kind = "rules.changed"
	AdminRuleChanged    Kind = "admin-rule.changed"

	ResetLink Kind = "reset.link"

	NoticesChanged Kind = "notices.changed"

	InvitationMade    Kind = "invitation.made"
	InvitationRevoked Kind = "invitation.revoked"
	InvitationUsed    Kind = "invitation.used"

	PasskeyAdded   Kind = "passkey.added"
	PasskeyRemoved Kind = "passkey.removed"
	PasskeyUsed    Kind = "passkey.used"

	PINLinked      Kind = "pin.linked"
	PINRefused     Kind = "pin.refused"
	SessionStarted Kind = "session.started"
	SessionEnded   Kind = "session.ended"

	HomeJoined     Kind = "home.joined"
	HomeLeft       Kind = "home.left"
	HomeChanged    Kind = "home.changed"
	HomeSwitched   Kind = "home.switched"
	HomePINChanged Kind = "home-pin.changed"
	HomePINRemoved Kind = "home-pin.removed"
	HomePINRefused Kind = "home-pin.refused"

	WebhooksChanged      Kind = "webhooks.changed"
	WebhookSecretRenewed Kind = "webhook-secret.renewed"

	OriginAllowed Kind = "origin.allowed"
	OriginRemoved Kind = "origin.removed"

	ServerAdded     Kind = "server.added"
	ServerRemoved   Kind = "server.removed"
	ProviderAdded   Kind = "provider.added"
	ProviderRemoved Kind = "provider.removed"
	SectionAdded    Kind = "section.added"
	SectionRemoved  Kind = "section.removed"
	ShareAdded      Kind = "share.added"
	ShareChanged    Kind = "share.changed"
	ShareRemoved    Kind = "share.removed"

	AdminKeyMade    Kind = "admin-key.made"
	AdminKeyRevoked Kind = "admin-key.revoked"
	AdminKeyRefused Kind = "admin-key.refused"

	SigningKeyReplaced Kind = "signing-key.replaced"
	InvitationSent     Kind = "invitation.sent"
	InvitationAccepted Kind = "invitation.accepted"
	InvitationEnded    Kind = "invitation.ended"
	FriendRemoved      Kind = "friend.removed"

	DatabaseMoved    Kind = "database.moved"
	DatabaseReopened Kind = "database.reopened"
	DatabaseRestored Kind = "database.restored"
)

// Meaning says what a kind of event means.
type Meaning struct {
	Kind  Kind   // the name in the log
	Means string // a sentence for people
}

// kinds is every kind and what it means. docs/reference.md has the same table.
var kinds = [...]Meaning{
	{SignIn, "a device signed in and received a token"},
	{SignInRefused, "a sign-in failed: wrong password or code, no such account, or a disabled one"},
	{SignInUnfinished, "the password was right, and the second factor was still to come"},
	{SignOut, "a device revoked its own token"},

	{TokenMade, "a device received a token for one server"},
	{TokenRevoked, "a token was revoked by someone else, or evicted for a newer one of the same device"},

	{DevicesMerged, "two devices of an account became one, with the tokens and keys of both"},
	{DeviceKeyAdded, "a device registered its public key"},
	{JWTIssued, "a device received a JWT for its key; the first one ends its other tokens"},

	{AccountAdded, "an account was added"},
	{AccountChanged, "the name or e-mail address of an account changed"},
	{AccountRemoved, "an account was removed, with its devices, tokens and shares"},
	{AccountDisabled, "an account was disabled: it cannot sign in, and its tokens do not work"},
	{AccountEnabled, "a disabled account was enabled again"},
	{AccountPromoted, "a member became an admin"},
	{AccountDemoted, "an admin became a member; the tokens for servers of the admins and the keys of the admin API were revoked"},

	{EmailConfirmed, "an admin confirmed the e-mail address of an account"},
	{PasswordChanged, "an account's password changed"},
	{SecondFactorAdded, "a second factor was added to an account, or replaced"},
	{SecondFactorRemoved, "an account's second factor was removed"},
	{SecondFactorGuessed, "somebody who has the password gave so many wrong codes that their device was locked"},
	{SecondFactorLink, "an admin made a link for the account's owner to set up a second factor"},
	{BackupCodeUsed, "a sign-in used up a backup code"},
	{RulesChanged, "the rules for how an account signs in changed: whether its password is off, or a passkey required"},
	{AdminRuleChanged, "it changed whether admins need a second factor"},

	{ResetLink, "a link was made by which the account's owner sets a new password, or turns off the second factor"},

	{NoticesChanged, "an account turned its e-mails about new devices off, or on again"},

	{InvitationMade, "a link was made by which somebody makes an account of their own"},
	{InvitationRevoked, "an invitation was revoked before anybody used it"},
	{InvitationUsed, "somebody made their account with an invitation"},

	{PasskeyAdded, "a passkey was added to an account"},
	{PasskeyRemoved, "a passkey was removed from an account"},
	{PasskeyUsed, "a sign-in used a passkey"},

	{PINLinked, "a device was allowed to sign in by its PIN"},
	{PINRefused, "a device was denied its sign-in by PIN"},
	{SessionStarted, "a browser signed in"},
	{SessionEnded, "a browser was signed out"},

	{HomeJoined, "an account joined a home, or was added to one as a managed user"},
	{HomeLeft, "an account left a home, and the tokens that switches from and to it had led to were revoked"},
	{HomeChanged, "the role or the restriction of a user of a home changed"},
	{HomeSwitched, "a device received a token of another user of its home"},
	{HomePINChanged, "the PIN of a user of a home was set"},
	{HomePINRemoved, "the PIN of a user of a home was removed"},
	{HomePINRefused, "somebody in a home gave a wrong PIN for the account"},

	{WebhooksChanged, "the addresses changed that the events of an account are sent to; the detail is how many there are"},
	{WebhookSecretRenewed, "an account got another secret to sign its webhooks with"},

	{OriginAllowed, "an origin was allowed: people are sent back to it without being asked"},
	{OriginRemoved, "an origin was removed from the allowed ones"},

	{ServerAdded, "a server was added"},
	{ServerRemoved, "a server was removed, with its shares and the tokens for it"},
	{ProviderAdded, "a provider was added"},
	{ProviderRemoved, "a provider was removed"},
	{SectionAdded, "a server got a section, which can be shared by itself"},
	{SectionRemoved, "a section of a server was removed, also from its shares"},
	{ShareAdded, "a server was shared with an account"},
	{ShareChanged, "other sections of a server are shared with an account"},
	{ShareRemoved, "a share was removed, with the tokens that depended on it"},

	{AdminKeyMade, "a key of the admin API was made"},
	{AdminKeyRevoked, "a key of the admin API was revoked; those of an admin who is demoted or removed are in that row"},
	{AdminKeyRefused, "a request to the admin API had a key that is not valid"},

	{SigningKeyReplaced, "an admin replaced the key that signs JWTs, before its time"},
	{InvitationSent, "somebody was invited to a server or as a friend, or to other sections"},
	{InvitationAccepted, "an account accepted an invitation: it and who invited are friends"},
	{InvitationEnded, "an invitation was declined or cancelled"},
	{FriendRemoved, "two accounts are no friends any more, and share nothing with each other"},

	{DatabaseMoved, "the database was moved to where it is now, by `usher migrate`"},
	{DatabaseReopened, "a database that had been moved away is used again, without what was changed elsewhere since"},
	{DatabaseRestored, "the database was replaced by a backup: what happened since the backup is not in it"},
}

// Meanings lists every kind with what it means.
func Meanings() []Meaning { return kinds[:] }
