package wire

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strconv"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

// Connection is one way to reach a server.
type Connection struct {
	Protocol string `json:"protocol" xml:"protocol,attr"` // http or https
	Address  string `json:"address" xml:"address,attr"`   // a host name or an IP address without brackets
	Port     int    `json:"port" xml:"port,attr"`         // the port of the URI, explicit or default
	URI      string `json:"uri" xml:"uri,attr"`           // the address of the server
	Local    Bool   `json:"local" xml:"local,attr"`       // on the local network of the server
	Relay    Bool   `json:"relay" xml:"relay,attr"`       // through a relay server
	IPv6     Bool   `json:"IPv6" xml:"IPv6,attr"`         // the address is IPv6
}

// Resource is a server in the list of servers that an account can reach.
type Resource struct {
	Name             string           // the display name
	Product          string           // the program, such as Plex Media Server
	ProductVersion   string           // its version
	Platform         string           // the operating system
	PlatformVersion  string           // its version
	Device           string           // the kind of machine
	ClientIdentifier string           // identifies the server
	CreatedAt        time.Time        // when it was added
	LastSeenAt       time.Time        // when it was last online
	Provides         string           // its roles, separated by commas
	OwnerID          Optional[int64]  // the owner's account; absent on the caller's own server
	SourceTitle      Optional[string] // the owner's name; absent likewise
	// PublicAddress is the server's, and PublicAddressMatches reports whether the
	// caller is in the same network, so that local connections may work.
	PublicAddress        string
	PublicAddressMatches bool            // the caller has the public address of the server
	AccessToken          plexauth.Secret // the caller's token for this server alone
	Owned                bool            // the caller owns it
	Home                 bool            // its owner is another user of the caller's home
	Connections          []Connection    // how to reach it; nil counts as empty
}

// resourceAttrs are the common attributes of the two documents that list servers.
// The documents differ in the format of times (T) and the position of connections.
type resourceAttrs[T string | int64] struct {
	Name                   string           `json:"name" xml:"name,attr"`                                     // the display name
	Product                string           `json:"product" xml:"product,attr"`                               // never empty
	ProductVersion         string           `json:"productVersion" xml:"productVersion,attr"`                 // never empty
	Platform               string           `json:"platform" xml:"platform,attr"`                             // never empty
	PlatformVersion        string           `json:"platformVersion" xml:"platformVersion,attr"`               // never empty
	Device                 string           `json:"device" xml:"device,attr"`                                 // never empty
	ClientIdentifier       string           `json:"clientIdentifier" xml:"clientIdentifier,attr"`             // identifies the server
	CreatedAt              T                `json:"createdAt" xml:"createdAt,attr"`                           // when it was added
	LastSeenAt             T                `json:"lastSeenAt" xml:"lastSeenAt,attr"`                         // when it was last online
	Provides               string           `json:"provides" xml:"provides,attr"`                             // separated by commas
	OwnerID                Optional[int64]  `json:"ownerId" xml:"ownerId,attr"`                               // absent on an owned server
	SourceTitle            Optional[string] `json:"sourceTitle" xml:"sourceTitle,attr"`                       // absent on an owned server
	PublicAddress          string           `json:"publicAddress" xml:"publicAddress,attr"`                   // the server's; may be empty
	AccessToken            string           `json:"accessToken" xml:"accessToken,attr"`                       // for this server alone
	Owned                  Bool             `json:"owned" xml:"owned,attr"`                                   // by the caller
	Home                   Optional[Bool]   `json:"home" xml:"home,attr"`                                     // its owner is in the caller's home; absent on an owned server in version 1
	Synced                 Bool             `json:"synced" xml:"synced,attr"`                                 // never
	Relay                  Bool             `json:"relay" xml:"relay,attr"`                                   // a connection is a relay
	Presence               Bool             `json:"presence" xml:"presence,attr"`                             // always
	HTTPSRequired          Bool             `json:"httpsRequired" xml:"httpsRequired,attr"`                   // never
	PublicAddressMatches   Bool             `json:"publicAddressMatches" xml:"publicAddressMatches,attr"`     // the caller's public address is the server's
	DNSRebindingProtection Bool             `json:"dnsRebindingProtection" xml:"dnsRebindingProtection,attr"` // never
	NATLoopbackSupported   Bool             `json:"natLoopbackSupported" xml:"natLoopbackSupported,attr"`     // never
}

func newResourceAttrs[T string | int64](r Resource, when func(time.Time) T, v Variant) resourceAttrs[T] {
	attrs := resourceAttrs[T]{
		Name: r.Name, Product: r.Product, ProductVersion: r.ProductVersion, Platform: r.Platform,
		PlatformVersion: r.PlatformVersion, Device: r.Device, ClientIdentifier: r.ClientIdentifier,
		CreatedAt: when(r.CreatedAt), LastSeenAt: when(r.LastSeenAt), Provides: r.Provides,
		OwnerID: r.OwnerID, SourceTitle: r.SourceTitle, PublicAddress: r.PublicAddress,
		AccessToken: string(r.AccessToken), Owned: Bool(r.Owned), Home: Some(Bool(r.Home)), Presence: true,
		PublicAddressMatches: Bool(r.PublicAddressMatches),
	}
	for _, c := range r.Connections {
		attrs.Relay = attrs.Relay || c.Relay
	}
	if v&NoNulls != 0 {
		for _, o := range []interface{ orZero() }{
			&attrs.OwnerID, &attrs.SourceTitle,
		} {
			o.orZero()
		}
	}
	return attrs
}

// Resources is the response of /api/v2/resources: an array in JSON, a
// <resources> element in XML.
type Resources []Resource

// Append implements Body.
func (rs Resources) Append(dst []byte, f Format, v Variant) ([]byte, error) {
	type resource struct {
		resourceAttrs[string]
		Connections []Connection `json:"connections" xml:"connections>connection"`
	}
	if f == XML {
		v &^= NoNulls // XML has no nulls
	}
	list := make([]resource, 0, len(rs))
	for _, r := range rs {
		list = append(list, resource{newResourceAttrs(r, v.time, v), orEmpty(r.Connections)})
	}
	if f == JSON {
		return appendJSON(dst, list)
	}
	return appendXML(dst, struct {
		XMLName   xml.Name   `xml:"resources"`
		Resources []resource `xml:"resource"`
	}{Resources: list})
}

// LegacyResources is the response of /api/resources, which is always XML: a
// MediaContainer of Device elements with times in epoch seconds.
type LegacyResources struct {
	Resources []Resource // in the order of the listing
	Part      *Part      // which part of the list this is; nil: all of it
}

// Append implements Body.
func (rs LegacyResources) Append(dst []byte, _ Format, _ Variant) ([]byte, error) {
	type device struct {
		resourceAttrs[int64]
		Connections []Connection `xml:"Connection"`
	}
	list := make([]device, 0, len(rs.Resources))
	for _, r := range rs.Resources {
		attrs := newResourceAttrs(r, time.Time.Unix, 0)
		// The home of a server is included only for servers of other accounts.
		attrs.Home.Known = !r.Owned
		list = append(list, device{attrs, r.Connections})
	}
	return appendXML(dst, struct {
		XMLName xml.Name `xml:"MediaContainer"`
		Size    int      `xml:"size,attr"`
		partAttrs
		Devices []device `xml:"Device"`
	}{Size: len(list), partAttrs: rs.Part.attrs(), Devices: list})
}

// rfc3339 formats a time as the account plane does: UTC, whole seconds.
func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// time formats a time for the variant.
func (v Variant) time(t time.Time) string {
	if v&FractionTimes != 0 {
		return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	return rfc3339(t)
}

// orEmpty replaces a nil list, because typed clients fail on a null array.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// SourceDevice is the response of /security/resources without the token. In JSON
// Device is an object, not a list of one, and Connection is always a list. The
// XML form was never captured from a real server: it follows the other
// listings.
type SourceDevice struct {
	XMLName          xml.Name     `json:"-" xml:"Device"`                               // names the element
	Name             string       `json:"name" xml:"name,attr"`                         // the display name
	ClientIdentifier string       `json:"clientIdentifier" xml:"clientIdentifier,attr"` // identifies the source
	Connection       []Connection `json:"Connection" xml:"Connection"`                  // how to reach it
}

// SourcePage is a source's device that is encoded once and sent many times, like
// AccountPage. It is safe for concurrent use.
type SourcePage struct {
	xml  []byte // the element after "<Device"
	json []byte // the object without its closing brace
}

// Page encodes the device in both formats.
func (d SourceDevice) Page() (*SourcePage, error) {
	d.Connection = orEmpty(d.Connection)
	element, err := xml.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encoding XML: %w", err)
	}
	object, err := appendJSON(nil, d)
	if err != nil {
		return nil, err
	}
	return &SourcePage{bytes.TrimPrefix(element, []byte("<Device")), bytes.TrimSuffix(object, []byte("}"))}, nil
}

// With completes the page for one response.
func (p *SourcePage) With(token plexauth.Secret) Body { return sourceAnswer{p, token} }

type sourceAnswer struct {
	page  *SourcePage
	token plexauth.Secret
}

// Append implements Body.
func (a sourceAnswer) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	if f == JSON {
		dst = append(dst, `{"MediaContainer":{"size":1,"Device":`...)
		dst = append(dst, a.page.json...)
		dst = append(dst, `,"accessToken":`...)
		return append(appendJSONText(dst, string(a.token)), `}}}`...), nil
	}
	dst = append(dst, xml.Header...)
	dst = append(dst, `<MediaContainer size="1"><Device accessToken="`...)
	dst = append(dst, xmlText(string(a.token))...)
	dst = append(dst, '"')
	dst = append(dst, a.page.xml...)
	return append(dst, `</MediaContainer>`...), nil
}

// TransientToken is the response of /security/token.
type TransientToken struct {
	Token plexauth.Secret // letters, digits, - and _
	// ExpiresAt is not part of the known protocol. Clients ignore unknown fields;
	// those that know this one can request the next token in time.
	ExpiresAt time.Time
}

// Append implements Body. It does not use encoding/json because this response is among the
// most frequent; the token's alphabet needs no escaping.
func (t TransientToken) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	if f == JSON {
		dst = append(dst, `{"MediaContainer":{"size":0,"token":"`...)
		dst = append(dst, t.Token...)
		dst = append(dst, `","expiresAt":`...)
		dst = strconv.AppendInt(dst, t.ExpiresAt.Unix(), 10)
		return append(dst, `}}`...), nil
	}
	dst = append(dst, xml.Header...)
	dst = append(dst, `<MediaContainer size="0" token="`...)
	dst = append(dst, t.Token...)
	dst = append(dst, `" expiresAt="`...)
	dst = strconv.AppendInt(dst, t.ExpiresAt.Unix(), 10)
	return append(dst, `"></MediaContainer>`...), nil
}

// Identity is the response of /identity, which needs no token.
type Identity struct {
	Size              int    `json:"size" xml:"size,attr"`                           // always 0
	Claimed           Bool   `json:"claimed" xml:"claimed,attr"`                     // always true
	MachineIdentifier string `json:"machineIdentifier" xml:"machineIdentifier,attr"` // identifies the server
	Version           string `json:"version" xml:"version,attr"`                     // in the form of a media server
}

// Append implements Body.
func (i Identity) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	return appendContainer(dst, f, i)
}

// Server is the response of / on the media plane: what python-plexapi's PlexServer
// and @ctrl/plex read when they connect to a server. The features of a media server
// are present and disabled, because usher serves no media.
type Server struct {
	FriendlyName      string    // the display name
	MachineIdentifier string    // identifies the server
	Version           string    // in the form of a media server
	Platform          string    // the operating system
	PlatformVersion   string    // its version
	Owner             string    // the owner's e-mail address
	UpdatedAt         time.Time // when the server was added
}

// directory is a path below / that answers.
type directory struct {
	Count int    `json:"count" xml:"count,attr"` // of entries below it
	Key   string `json:"key" xml:"key,attr"`     // the path, relative to /
	Title string `json:"title" xml:"title,attr"` // the name to show
}

// Append implements Body.
func (s Server) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	return appendContainer(dst, f, struct {
		Size                int    `json:"size" xml:"size,attr"`
		AllowMediaDeletion  Bool   `json:"allowMediaDeletion" xml:"allowMediaDeletion,attr"`
		AllowSharing        Bool   `json:"allowSharing" xml:"allowSharing,attr"`
		FriendlyName        string `json:"friendlyName" xml:"friendlyName,attr"`
		LiveTV              int    `json:"livetv" xml:"livetv,attr"`
		MachineIdentifier   string `json:"machineIdentifier" xml:"machineIdentifier,attr"`
		Multiuser           Bool   `json:"multiuser" xml:"multiuser,attr"`
		MyPlex              Bool   `json:"myPlex" xml:"myPlex,attr"`
		MyPlexMappingState  string `json:"myPlexMappingState" xml:"myPlexMappingState,attr"`
		MyPlexSigninState   string `json:"myPlexSigninState" xml:"myPlexSigninState,attr"`
		MyPlexSubscription  Bool   `json:"myPlexSubscription" xml:"myPlexSubscription,attr"`
		MyPlexUsername      string `json:"myPlexUsername" xml:"myPlexUsername,attr"`
		OwnerFeatures       string `json:"ownerFeatures" xml:"ownerFeatures,attr"`
		Platform            string `json:"platform" xml:"platform,attr"`
		PlatformVersion     string `json:"platformVersion" xml:"platformVersion,attr"`
		Sync                Bool   `json:"sync" xml:"sync,attr"`
		TranscoderAudio     Bool   `json:"transcoderAudio" xml:"transcoderAudio,attr"`
		TranscoderVideo     Bool   `json:"transcoderVideo" xml:"transcoderVideo,attr"`
		TranscoderBitrates  string `json:"transcoderVideoBitrates" xml:"transcoderVideoBitrates,attr"`
		TranscoderQualities string `json:"transcoderVideoQualities" xml:"transcoderVideoQualities,attr"`
		UpdatedAt           int64  `json:"updatedAt" xml:"updatedAt,attr"`
		Version             string `json:"version" xml:"version,attr"`
		// PlexAPI asserts that there is one.
		Directory []directory `json:"Directory" xml:"Directory"`
	}{
		FriendlyName: s.FriendlyName, MachineIdentifier: s.MachineIdentifier, Multiuser: true, MyPlex: true,
		MyPlexMappingState: "mapped", MyPlexSigninState: "ok", MyPlexUsername: s.Owner,
		Platform: s.Platform, PlatformVersion: s.PlatformVersion, UpdatedAt: s.UpdatedAt.Unix(), Version: s.Version,
		Size: 1, Directory: []directory{{Count: 1, Key: "identity", Title: "identity"}},
	})
}

// appendContainer encodes v in the container of the media plane.
func appendContainer(dst []byte, f Format, v any) ([]byte, error) {
	if f == JSON {
		return appendJSON(dst, struct {
			MediaContainer any
		}{v})
	}
	b, err := xmlElement("MediaContainer", v)
	if err != nil {
		return dst, err
	}
	dst = append(dst, xml.Header...)
	return append(dst, b...), nil
}

// Pong is the response of /api/v2/ping.
type Pong struct{}

// Append implements Body.
func (Pong) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	if f == JSON {
		return append(dst, `{"pong":true}`...), nil
	}
	dst = append(dst, xml.Header...)
	return append(dst, "<pong>true</pong>"...), nil
}
