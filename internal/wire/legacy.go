package wire

import (
	"encoding/xml"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

// LegacyAccount is the account in responses of version 1 (/users/sign_in,
// /users/account): a <user> element with the token under three names, or a
// JSON object under the key "user". The shape was read in clients' sources
// (plex-api-credentials, @ctrl/plex, Overseerr, Tautulli).
type LegacyAccount struct {
	Person
	Token plexauth.Secret // the token that the caller sent or was just issued
	// Thumb is the address of the account's picture.
	Thumb string
}

type legacySubscription struct {
	Active   Bool             `json:"active" xml:"active,attr"` // never
	Status   string           `json:"status" xml:"status,attr"` // always Inactive
	Plan     Optional[string] `json:"plan" xml:"plan,attr"`     // always null
	Features emptyList        `json:"features" xml:"-"`         // always empty
}

// legacyEntitlements is an empty list. Its XML declares that it is not the list of all
// entitlements.
type legacyEntitlements struct {
	emptyList `xml:"-"`
	All       Bool `xml:"all,attr"` // never
}

// legacyProfile is the playback profile, which version 1 has in XML only.
type legacyProfile struct {
	AudioLanguage         string `xml:"default_audio_language,attr"`         // empty: no preference
	SubtitleLanguage      string `xml:"default_subtitle_language,attr"`      // empty: no preference
	AutoSelectSubtitle    int    `xml:"auto_select_subtitle,attr"`           // 0: manually
	AutoSelectAudio       int    `xml:"auto_select_audio,attr"`              // 1: by language
	SubtitleAccessibility int    `xml:"default_subtitle_accessibility,attr"` // 0: no preference
	SubtitleForced        int    `xml:"default_subtitle_forced,attr"`        // 0: no preference
}

type legacyUser struct {
	XMLName             xml.Name           `json:"-" xml:"user"`                                        // names the element; JSON has no root
	Email               string             `json:"email" xml:"email,attr"`                              // can be empty
	ID                  int64              `json:"id" xml:"id,attr"`                                    // the number of the account
	UUID                string             `json:"uuid" xml:"uuid,attr"`                                // as in version 2
	MailingListStatus   string             `json:"mailing_list_status" xml:"mailing_list_status,attr"`  // always unsubscribed
	Thumb               string             `json:"thumb" xml:"thumb,attr"`                              // the URL of the picture
	Username            string             `json:"username" xml:"username,attr"`                        // the unique name
	Title               string             `json:"title" xml:"title,attr"`                              // the name that clients show
	CloudSyncDevice     Optional[string]   `json:"cloudSyncDevice" xml:"cloudSyncDevice,attr"`          // always null
	Locale              Optional[string]   `json:"locale" xml:"locale,attr"`                            // never known
	AuthenticationToken string             `json:"authentication_token" xml:"authenticationToken,attr"` // the token
	AuthToken           string             `json:"authToken" xml:"authToken,attr"`                      // the token once more: clients read one or the other
	ScrobbleTypes       string             `json:"scrobbleTypes" xml:"scrobbleTypes,attr"`              // always empty
	Restricted          Bool               `json:"restricted" xml:"restricted,attr"`                    // a managed account of a home
	Home                Bool               `json:"home" xml:"home,attr"`                                // in a home
	Guest               Bool               `json:"guest" xml:"guest,attr"`                              // the guest of a home
	QueueEmail          string             `json:"queueEmail" xml:"queueEmail,attr"`                    // always empty
	QueueUID            string             `json:"queueUid" xml:"queueUid,attr"`                        // always empty
	HasPassword         bool               `json:"hasPassword" xml:"hasPassword,attr"`                  // "true" in XML, too
	HomeSize            int                `json:"homeSize" xml:"homeSize,attr"`                        // users of the home: 1 without one
	MaxHomeSize         int                `json:"maxHomeSize" xml:"maxHomeSize,attr"`                  // as the real services send
	RememberMe          Bool               `json:"rememberMe" xml:"rememberMe,attr"`                    // never
	Secure              Bool               `json:"secure" xml:"secure,attr"`                            // never
	CertificateVersion  int                `json:"certificateVersion" xml:"certificateVersion,attr"`    // without a value, @ctrl/plex gets NaN
	JoinedAt            string             `json:"joined_at" xml:"-"`                                   // RFC 3339
	Subscription        legacySubscription `json:"subscription" xml:"subscription"`                     // always inactive
	Roles               struct {           // always empty
		Roles emptyList `json:"roles" xml:"-"` // always empty
	} `json:"roles" xml:"roles"`
	Entitlements legacyEntitlements `json:"entitlements" xml:"entitlements"` // always empty
	Profile      legacyProfile      `json:"-" xml:"profile_settings"`        // the playback profile
	Services     emptyList          `json:"-" xml:"services"`                // always empty

	// The elements that older XML readers read instead of attributes.
	UsernameElement string      `json:"-" xml:"username"`
	EmailElement    string      `json:"-" xml:"email"`                // as Email
	JoinedElement   typedValue  `json:"-" xml:"joined-at"`            // the time in UTC
	TokenElement    plainSecret `json:"-" xml:"authentication-token"` // the token for the third time
}

type typedValue struct {
	Type string `xml:"type,attr"` // datetime
	Text string `xml:",chardata"` // the value
}

// plainSecret is a token that is encoded in a response.
type plainSecret string

// Append implements Body.
func (a LegacyAccount) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	u := legacyUser{
		Email: a.Email, ID: a.ID, UUID: a.UUID, MailingListStatus: "unsubscribed", Thumb: a.Thumb, Username: a.Username,
		Title: a.Title, AuthenticationToken: string(a.Token), AuthToken: string(a.Token),
		HasPassword: a.HasPassword, HomeSize: a.House.size(), MaxHomeSize: maxHomeSize,
		Restricted: Bool(a.House.Restricted), Home: Bool(a.House.Home), Guest: Bool(a.House.Guest), JoinedAt: rfc3339(a.JoinedAt),
		Subscription:    legacySubscription{Status: "Inactive"},
		Profile:         legacyProfile{AutoSelectAudio: 1},
		UsernameElement: a.Username, EmailElement: a.Email,
		JoinedElement: typedValue{"datetime", a.JoinedAt.UTC().Format(time.DateTime + " UTC")},
		TokenElement:  plainSecret(a.Token),
	}
	if f == JSON {
		return appendJSON(dst, struct {
			User legacyUser `json:"user"`
		}{u})
	}
	return appendXML(dst, u)
}

// Device is a row of the device list: a program that has a token, or a server. The
// token of a program is always empty: usher does not store it, and a list must not
// contain more powerful tokens than the caller's.
type Device struct {
	XMLName          xml.Name           `json:"-" xml:"Device"`                               // names the element
	Name             string             `json:"name" xml:"name,attr"`                         // the name that the device reports
	PublicAddress    string             `json:"publicAddress" xml:"publicAddress,attr"`       // where it was last seen from
	Product          string             `json:"product" xml:"product,attr"`                   // the program
	ProductVersion   string             `json:"productVersion" xml:"productVersion,attr"`     // its version
	Platform         string             `json:"platform" xml:"platform,attr"`                 // the operating system
	PlatformVersion  string             `json:"platformVersion" xml:"platformVersion,attr"`   // its version
	Device           string             `json:"device" xml:"device,attr"`                     // the kind of machine
	Model            string             `json:"model" xml:"model,attr"`                       // the model of the machine
	Vendor           string             `json:"vendor" xml:"vendor,attr"`                     // who made the machine
	Provides         string             `json:"provides" xml:"provides,attr"`                 // its roles, separated by commas
	ClientIdentifier string             `json:"clientIdentifier" xml:"clientIdentifier,attr"` // identifies the device
	Version          string             `json:"version" xml:"version,attr"`                   // as ProductVersion
	ID               int64              `json:"id" xml:"id,attr"`                             // identifies the row
	Token            string             `json:"token" xml:"token,attr"`                       // of a server, for the caller
	CreatedAt        int64              `json:"createdAt" xml:"createdAt,attr"`               // epoch seconds
	LastSeenAt       int64              `json:"lastSeenAt" xml:"lastSeenAt,attr"`             // epoch seconds
	ScreenResolution string             `json:"screenResolution" xml:"screenResolution,attr"` // as the device sent it
	ScreenDensity    string             `json:"screenDensity" xml:"screenDensity,attr"`       // always empty
	SyncList         syncList           // always empty
	Connections      []DeviceConnection `json:"Connection" xml:"Connection"` // of a server; nil counts as empty
}

// syncList is always empty: usher has nothing to synchronize.
type syncList struct {
	ItemsCompleteCount int `json:"itemsCompleteCount" xml:"itemsCompleteCount,attr"` // always 0
	TotalSize          int `json:"totalSize" xml:"totalSize,attr"`                   // always 0
	Version            int `json:"version" xml:"version,attr"`                       // always 2
}

// DeviceConnection is one way to reach a server in the device list.
type DeviceConnection struct {
	URI string `json:"uri" xml:"uri,attr"` // the address of the server
}

// DeviceConnections returns a server's connections in the form of the device list.
func DeviceConnections(list []Connection) []DeviceConnection {
	short := make([]DeviceConnection, 0, len(list))
	for _, c := range list {
		short = append(short, DeviceConnection{c.URI})
	}
	return short
}

// Devices is the response of /devices.xml and /devices.json. The JSON form is
// inferred.
type Devices struct {
	PublicAddress string   // the caller's
	Devices       []Device // in the order of the listing
	Part          *Part    // which part of the list this is; nil: all of it
	// Contained puts the JSON list into a MediaContainer, as on the media plane.
	Contained bool
}

// Append implements Body.
func (d Devices) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	list := make([]Device, 0, len(d.Devices))
	for _, device := range d.Devices {
		device.SyncList.Version = 2
		device.Connections = orEmpty(device.Connections)
		list = append(list, device)
	}
	switch {
	case f == JSON && d.Contained:
		return appendContainer(dst, f, struct {
			PublicAddress string   `json:"publicAddress"`
			Size          int      `json:"size"`
			Device        []Device `json:"Device"`
		}{d.PublicAddress, len(list), list})
	case f == JSON:
		return appendJSON(dst, list)
	}
	return appendXML(dst, struct {
		XMLName       xml.Name `xml:"MediaContainer"`
		PublicAddress string   `xml:"publicAddress,attr"`
		Size          int      `xml:"size,attr"`
		partAttrs
		Devices []Device
	}{PublicAddress: d.PublicAddress, Size: len(list), partAttrs: d.Part.attrs(), Devices: list})
}

// SystemDevice is a row of a media server's list of the devices that use it.
type SystemDevice struct {
	ID               int64  `json:"id" xml:"id,attr"`                             // identifies the row
	Name             string `json:"name" xml:"name,attr"`                         // the name that the device reports
	Platform         string `json:"platform" xml:"platform,attr"`                 // the operating system
	ClientIdentifier string `json:"clientIdentifier" xml:"clientIdentifier,attr"` // identifies the device
	CreatedAt        int64  `json:"createdAt" xml:"createdAt,attr"`               // epoch seconds
}

// SystemDevices is the response of /devices on the media plane.
type SystemDevices []SystemDevice

// Append implements Body.
func (d SystemDevices) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	return appendContainer(dst, f, struct {
		Size       int            `json:"size" xml:"size,attr"`
		Identifier string         `json:"identifier" xml:"identifier,attr"`
		Device     []SystemDevice `json:"Device" xml:"Device"`
	}{len(d), "com.plexapp.system.devices", orEmpty(d)})
}
