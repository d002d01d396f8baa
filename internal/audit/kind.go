package audit

// Kind is the kind of an event. The names are stored.
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
	WebhookSecretShown   Kind = "webhook-secret.shown"
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

// Meaning describes a kind of event.
type Meaning struct {
	Kind  Kind   // the name in the log
	Means string // a sentence for people
}

// kinds is the table of all kinds. docs/reference.md has the same table.
var kinds = [...]Meaning{
	{SignIn, "a device signed in and received a token"},
	{SignInRefused, "a sign-in failed: wrong password or code, no such account, or a disabled one"},
	{SignInUnfinished, "the password was right, and the second factor was pending"},
	{SignOut, "a device revoked its own token"},

	{TokenMade, "a device received a token for one server"},
	{TokenRevoked, "a token was revoked by someone else, or evicted for a newer one of the same device"},

	{DevicesMerged, "two devices of an account became one, with the tokens and keys of both"},
	{DeviceKeyAdded, "a device registered its public key"},
	{JWTIssued, "a device received a JWT for its key; the first one revokes its other tokens"},

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
	{SecondFactorGuessed, "too many wrong codes after the right password locked a device out"},
	{SecondFactorLink, "an admin created a link for the account's owner to set up a second factor"},
	{BackupCodeUsed, "a sign-in used up a backup code"},
	{RulesChanged, "the rules for how an account signs in changed: whether its password is off, or a passkey required"},
	{AdminRuleChanged, "the rule whether admins need a second factor changed"},

	{ResetLink, "a link was created with which the account's owner sets a new password, or turns off the second factor"},

	{NoticesChanged, "an account turned its e-mails about new devices off or on"},

	{InvitationMade, "an invitation link was created"},
	{InvitationRevoked, "an unused invitation was revoked"},
	{InvitationUsed, "an account was created with an invitation"},

	{PasskeyAdded, "a passkey was added to an account"},
	{PasskeyRemoved, "a passkey was removed from an account"},
	{PasskeyUsed, "a sign-in used a passkey"},

	{PINLinked, "a device was allowed to sign in by its PIN"},
	{PINRefused, "a device was denied its sign-in by PIN"},
	{SessionStarted, "a browser signed in"},
	{SessionEnded, "a browser was signed out"},

	{HomeJoined, "an account joined a home, or was added to one as a managed user"},
	{HomeLeft, "an account left a home, and the tokens from switches from and to it were revoked"},
	{HomeChanged, "the role or the restriction of a user of a home changed"},
	{HomeSwitched, "a device received a token of another user of its home"},
	{HomePINChanged, "the PIN of a user of a home was set"},
	{HomePINRemoved, "the PIN of a user of a home was removed"},
	{HomePINRefused, "a user of the home entered a wrong PIN for the account"},

	{WebhooksChanged, "the webhook addresses of an account changed; the detail is their number"},
	{WebhookSecretShown, "the secret that signs the webhooks of an account was displayed"},
	{WebhookSecretRenewed, "the secret that signs the webhooks of an account was replaced"},

	{OriginAllowed, "an origin was allowed: users are redirected to it without asking"},
	{OriginRemoved, "an allowed origin was removed"},

	{ServerAdded, "a server was added"},
	{ServerRemoved, "a server was removed, with its shares and the tokens for it"},
	{ProviderAdded, "a provider was added"},
	{ProviderRemoved, "a provider was removed"},
	{SectionAdded, "a section was added to a server"},
	{SectionRemoved, "a section of a server was removed, also from its shares"},
	{ShareAdded, "a server was shared with an account"},
	{ShareChanged, "the shared sections of a server changed"},
	{ShareRemoved, "a share was removed, with the tokens that depended on it"},

	{AdminKeyMade, "a key of the admin API was created"},
	{AdminKeyRevoked, "a key of the admin API was revoked; the keys of a demoted or removed admin are in the row of that event"},
	{AdminKeyRefused, "a request to the admin API had an invalid key"},

	{SigningKeyReplaced, "an admin replaced the key that signs JWTs, before its rotation"},
	{InvitationSent, "an account was invited to a server or as a friend, or to other sections"},
	{InvitationAccepted, "an account accepted an invitation, and became a friend of the sender"},
	{InvitationEnded, "an invitation was declined or cancelled"},
	{FriendRemoved, "a friendship was removed, with the shares of both sides"},

	{DatabaseMoved, "the database was moved here by `usher migrate`"},
	{DatabaseReopened, "a moved database was reopened, without later changes of the target"},
	{DatabaseRestored, "the database was replaced with a backup: it does not contain later changes"},
}

// Meanings returns all kinds with their descriptions.
func Meanings() []Meaning { return kinds[:] }
