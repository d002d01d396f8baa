package store

import (
	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/claim"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/devicekey"
	"github.com/usher-auth/usher/internal/friend"
	"github.com/usher-auth/usher/internal/home"
	"github.com/usher-auth/usher/internal/invite"
	"github.com/usher-auth/usher/internal/notify"
	"github.com/usher-auth/usher/internal/origin"
	"github.com/usher-auth/usher/internal/passkey"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/signin"
	"github.com/usher-auth/usher/internal/signing"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/tries"
	"github.com/usher-auth/usher/internal/webhook"
)

// Whose rows each type is.
var (
	_ account.Rows    = Accounts{}
	_ adminkey.Rows   = AdminKeys{}
	_ audit.Rows      = Audit{}
	_ audit.TallyRows = Tallies{}
	_ claim.Rows      = DeviceKeys{}
	_ device.Rows     = Devices{}
	_ devicekey.Rows  = DeviceKeys{}
	_ friend.Rows     = Friends{}
	_ home.Rows       = Homes{}
	_ invite.Rows     = Invitations{}
	_ notify.Rows     = Notices{}
	_ origin.Rows     = Origins{}
	_ passkey.Rows    = Passkeys{}

	_ passkey.ChallengeRows = Challenges{}

	_ pin.Rows           = PINs{}
	_ session.Rows       = Sessions{}
	_ signin.Rows        = Proofs{}
	_ signing.Rows       = SigningKeys{}
	_ source.Rows        = Sources{}
	_ source.ShareRows   = Shares{}
	_ source.SectionRows = Sections{}
	_ source.Settings    = Settings{}
	_ token.KeyRows      = TransientKeys{}
	_ token.Rows         = Tokens{}
	_ tries.Rows         = Tries{}
	_ webhook.Rows       = Webhooks{}
)
