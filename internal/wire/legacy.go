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
	Token plexauth.Secret
	// Thumb is the address of the account's picture.
	Thumb string
}

type legacySubscription struct {
	Active   Bool             `json:"active" xml:"active,attr"`
	Status   string           `json:"status" xml:"status,attr"`
	Plan     Optional[string] `json:"plan" xml:"plan,attr"`
	Features emptyList        `json:"features" xml:"-"`
}

// legacyEntitlements is an empty list. Its XML says that it does not contain all
// entitlements.
type legacyEntitlements struct {
	emptyList `xml:"-"`
	All       Bool `xml:"all,attr"`
}

// legacyProfile is the playback profile, which version 1 has in XML only.
type legacyProfile struct {
	AudioLanguage         string `xml:"default_audio_language,attr"`
	SubtitleLanguage      string `xml:"default_subtitle_language,attr"`
	AutoSelectSubtitle    int    `xml:"auto_select_subtitle,attr"`
	AutoSelectAudio       int    `xml:"auto_select_audio,attr"`
	SubtitleAccessibility int    `xml:"default_subtitle_accessibility,attr"`
	SubtitleForced        int    `xml:"default_subtitle_forced,attr"`
}

type legacyUser struct {
	XMLName             xml.Name           `json:"-" xml:"user"`
	Email               string             `json:"email" xml:"email,attr"`
	ID                  int64              `json:"id" xml:"id,attr"`
	UUID                string             `json:"uuid" xml:"uuid,attr"`
	MailingListStatus   string             `json:"mailing_list_status" xml:"mailing_list_status,attr"`
	Thumb               string             `json:"thumb" xml:"thumb,attr"`
	Username            string             `json:"username" xml:"username,attr"`
	Title               string             `json:"title" xml:"title,attr"`
	CloudSyncDevice     Optional[string]   `json:"cloudSyncDevice" xml:"cloudSyncDevice,attr"`
	Locale              Optional[string]   `json:"locale" xml:"locale,attr"`
	AuthenticationToken string             `json:"authentication_token" xml:"authenticationToken,attr"`
	AuthToken           string             `json:"authToken" xml:"authToken,attr"`
	ScrobbleTypes       string             `json:"scrobbleTypes" xml:"scrobbleTypes,attr"`
	Restricted          Bool               `json:"restricted" xml:"restricted,attr"`
	Home                Bool               `json:"home" xml:"home,attr"`
	Guest               Bool               `json:"guest" xml:"guest,attr"`
	QueueEmail          string             `json:"queueEmail" xml:"queueEmail,attr"`
	QueueUID            string             `json:"queueUid" xml:"queueUid,attr"`
	HasPassword         bool               `json:"hasPassword" xml:"hasPassword,attr"` // "true" in XML, too
	HomeSize            int                `json:"homeSize" xml:"homeSize,attr"`
	MaxHomeSize         int                `json:"maxHomeSize" xml:"maxHomeSize,attr"`
	RememberMe          Bool               `json:"rememberMe" xml:"rememberMe,attr"`
	Secure              Bool               `json:"secure" xml:"secure,attr"`
	CertificateVersion  int                `json:"certificateVersion" xml:"certificateVersion,attr"` // without a value, @ctrl/plex gets NaN
	JoinedAt            string             `json:"joined_at" xml:"-"`
	Subscription        legacySubscription `json:"subscription" xml:"subscription"`
	Roles               struct {
		Roles emptyList `json:"roles" xml:"-"`
	} `json:"roles" xml:"roles"`
	Entitlements legacyEntitlements `json:"entitlements" xml:"entitlements"`
	Profile      legacyProfile      `json:"-" xml:"profile_settings"`
	Services     emptyList          `json:"-" xml:"services"`

	// The elements that older XML readers read instead of attributes.
	UsernameElement string      `json:"-" xml:"username"`
	EmailElement    string      `json:"-" xml:"email"`
	JoinedElement   typedValue  `json:"-" xml:"joined-at"`
	TokenElement    plainSecret `json:"-" xml:"authentication-token"`
}

type typedValue struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

// plainSecret is a token that is encoded in a response.
type plainSecret string

// Append implements Body.
func (a LegacyAccount) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	u := legacyUser{
		Email: a.Email, ID: a.ID, UUID: a.UUID, MailingListStatus: "unsubscribed", Thumb: a.Thumb, Username: a.Username,
		Title: a.Title, AuthenticationToken: string(a.Token), AuthToken: string(a.Token),
		HasPassword: a.HasPassword, HomeSize: 1, MaxHomeSize: 15, JoinedAt: rfc3339(a.JoinedAt),
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
	XMLName          xml.Name `json:"-" xml:"Device"`
	Name             string   `json:"name" xml:"name,attr"`
	PublicAddress    string   `json:"publicAddress" xml:"publicAddress,attr"`
	Product          string   `json:"product" xml:"product,attr"`
	ProductVersion   string   `json:"productVersion" xml:"productVersion,attr"`
	Platform         string   `json:"platform" xml:"platform,attr"`
	PlatformVersion  string   `json:"platformVersion" xml:"platformVersion,attr"`
	Device           string   `json:"device" xml:"device,attr"`
	Model            string   `json:"model" xml:"model,attr"`
	Vendor           string   `json:"vendor" xml:"vendor,attr"`
	Provides         string   `json:"provides" xml:"provides,attr"`
	ClientIdentifier string   `json:"clientIdentifier" xml:"clientIdentifier,attr"`
	Version          string   `json:"version" xml:"version,attr"`
	ID               int64    `json:"id" xml:"id,attr"`
	Token            string   `json:"token" xml:"token,attr"` // of a server, for the caller
	CreatedAt        int64    `json:"createdAt" xml:"createdAt,attr"`
	LastSeenAt       int64    `json:"lastSeenAt" xml:"lastSeenAt,attr"`
	ScreenResolution string   `json:"screenResolution" xml:"screenResolution,attr"`
	ScreenDensity    string   `json:"screenDensity" xml:"screenDensity,attr"`
	SyncList         syncList
	Connections      []DeviceConnection `json:"Connection" xml:"Connection"`
}

// syncList is always empty: usher has nothing to synchronize.
type syncList struct {
	ItemsCompleteCount int `json:"itemsCompleteCount" xml:"itemsCompleteCount,attr"`
	TotalSize          int `json:"totalSize" xml:"totalSize,attr"`
	Version            int `json:"version" xml:"version,attr"`
}

// DeviceConnection is one way to reach a server in the device list.
type DeviceConnection struct {
	URI string `json:"uri" xml:"uri,attr"`
}

// DeviceConnections are a server's connections as the device list has them.
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
	PublicAddress string
	Devices       []Device
	Part          *Part
	// Contained: JSON has the list in a MediaContainer, as on the media plane.
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

// SystemDevice is a row of the list that a media server has of the devices that
// use it.
type SystemDevice struct {
	ID               int64  `json:"id" xml:"id,attr"`
	Name             string `json:"name" xml:"name,attr"`
	Platform         string `json:"platform" xml:"platform,attr"`
	ClientIdentifier string `json:"clientIdentifier" xml:"clientIdentifier,attr"`
	CreatedAt        int64  `json:"createdAt" xml:"createdAt,attr"`
}

// SystemDevices is the answer of /devices on the media plane.
type SystemDevices []SystemDevice

// Append implements Body.
func (d SystemDevices) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	return appendContainer(dst, f, struct {
		Size       int            `json:"size" xml:"size,attr"`
		Identifier string         `json:"identifier" xml:"identifier,attr"`
		Device     []SystemDevice `json:"Device" xml:"Device"`
	}{len(d), "com.plexapp.system.devices", orEmpty(d)})
}
