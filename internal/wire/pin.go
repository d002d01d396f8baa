package wire

import (
	"encoding/xml"
	"strconv"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

// PIN is the response of /api/v2/pins: a sign-in that a device waits for. The JSON
// form is from clients' sources. They also read the attributes of the XML root; the
// position of the location in XML is inferred.
type PIN struct {
	ID               int64     // identifies the PIN in polls
	Code             string    // four characters to type, or a strong code
	Product          string    // the product of the device
	QR               string    // the URL of an image of the code
	ClientIdentifier string    // the only client that gets the token
	CreatedAt        time.Time // the start of its lifetime
	ExpiresAt        time.Time // the end of its lifetime
	// ExpiresIn is the remaining lifetime; that it counts down is inferred.
	ExpiresIn time.Duration
	// Token is empty until the PIN is linked.
	Token plexauth.Secret
	// ProofURL is the URL to which the browser is redirected with the proof. It is an
	// addition of usher: only clients that request a proof get it.
	ProofURL string
}

// pinLocation is the location where a PIN was created. usher does not know it. The keys
// are present because typed clients require them, as strings.
type pinLocation struct {
	Code          string `json:"code" xml:"code,attr"`                                                   // of the country
	EuropeanUnion Bool   `json:"european_union_member" xml:"european_union_member,attr"`                 // never
	ContinentCode string `json:"continent_code" xml:"continent_code,attr"`                               // always empty
	Country       string `json:"country" xml:"country,attr"`                                             // always empty
	City          string `json:"city" xml:"city,attr"`                                                   // always empty
	TimeZone      string `json:"time_zone" xml:"time_zone,attr"`                                         // always empty
	PostalCode    any    `json:"postal_code" xml:"postal_code,attr"`                                     // "", or 0 for NumericPostalCode
	InPrivacy     Bool   `json:"in_privacy_restricted_country" xml:"in_privacy_restricted_country,attr"` // never
	InPrivacyArea Bool   `json:"in_privacy_restricted_region" xml:"in_privacy_restricted_region,attr"`   // never
	Subdivisions  string `json:"subdivisions" xml:"subdivisions,attr"`                                   // always empty
	Coordinates   string `json:"coordinates" xml:"coordinates,attr"`                                     // always empty
}

// Append implements Body.
func (p PIN) Append(dst []byte, f Format, v Variant) ([]byte, error) {
	doc := struct {
		XMLName          xml.Name         `json:"-" xml:"pin"`
		ID               int64            `json:"id" xml:"id,attr"`
		Code             string           `json:"code" xml:"code,attr"`
		Product          string           `json:"product" xml:"product,attr"`
		Trusted          Bool             `json:"trusted" xml:"trusted,attr"`
		QR               string           `json:"qr" xml:"qr,attr"`
		ClientIdentifier string           `json:"clientIdentifier" xml:"clientIdentifier,attr"`
		Location         pinLocation      `json:"location" xml:"location"`
		ExpiresIn        int64            `json:"expiresIn" xml:"expiresIn,attr"`
		CreatedAt        string           `json:"createdAt" xml:"createdAt,attr"`
		ExpiresAt        string           `json:"expiresAt" xml:"expiresAt,attr"`
		AuthToken        Optional[string] `json:"authToken" xml:"-"`
		// In XML, a pending PIN has an empty token (clients' sources).
		TokenAttr       string         `json:"-" xml:"authToken,attr"`
		NewRegistration Optional[Bool] `json:"newRegistration" xml:"newRegistration,attr"`
		ProofURL        string         `json:"proofUrl,omitempty" xml:"proofUrl,attr,omitempty"`
	}{
		ID: p.ID, Code: p.Code, Product: p.Product, QR: p.QR, ClientIdentifier: p.ClientIdentifier,
		ExpiresIn: int64((p.ExpiresIn + time.Second - 1) / time.Second),
		CreatedAt: v.time(p.CreatedAt), ExpiresAt: v.time(p.ExpiresAt), TokenAttr: string(p.Token),
		ProofURL: p.ProofURL,
	}
	doc.Location.PostalCode = ""
	if v&NumericPostalCode != 0 {
		doc.Location.PostalCode = 0
	}
	if p.Token != "" {
		// Typed clients require a boolean for whether the account is new. It is not: usher
		// has no registration by PIN.
		doc.AuthToken, doc.NewRegistration = Some(string(p.Token)), Some(Bool(false))
	}
	if v&NoNulls != 0 && f == JSON {
		doc.AuthToken.orZero()
		doc.NewRegistration.orZero()
	}
	if f == JSON {
		return appendJSON(dst, doc)
	}
	return appendXML(dst, doc)
}

// LegacyPIN is the response of /pins.xml: elements with types, and two elements for
// the token, because an older client (plex-api-pinauth) reads the second. The JSON
// form is inferred.
type LegacyPIN struct {
	PIN
	// AccountID is the account that linked it; 0 while it is not linked.
	AccountID int64
}

// nilValue is an element with the type of its value, or one that declares that it has
// no value.
type nilValue struct {
	Type string `xml:"type,attr,omitempty"` // integer, dateTime or boolean
	Nil  string `xml:"nil,attr,omitempty"`  // true if there is no value
	Text string `xml:",chardata"`           // the value
}

// Append implements Body.
func (p LegacyPIN) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	if f == JSON {
		return p.appendJSON(dst)
	}
	user, token := nilValue{Type: "integer", Nil: "true"}, nilValue{Nil: "true"}
	if p.AccountID != 0 {
		user, token = nilValue{Type: "integer", Text: strconv.FormatInt(p.AccountID, 10)}, nilValue{Text: string(p.Token)}
	}
	return appendXML(dst, struct {
		XMLName          xml.Name `xml:"pin"`
		ID               nilValue `xml:"id"`
		Code             string   `xml:"code"`
		ExpiresAt        nilValue `xml:"expires-at"`
		UserID           nilValue `xml:"user-id"`
		ClientIdentifier string   `xml:"client-identifier"`
		Trusted          nilValue `xml:"trusted"`
		AuthToken        nilValue `xml:"auth-token"`
		AuthTokenAgain   nilValue `xml:"auth_token"`
	}{
		ID: nilValue{Type: "integer", Text: strconv.FormatInt(p.ID, 10)}, Code: p.Code,
		ExpiresAt: nilValue{Type: "dateTime", Text: rfc3339(p.ExpiresAt)}, UserID: user,
		ClientIdentifier: p.ClientIdentifier, Trusted: nilValue{Type: "boolean", Text: "false"},
		AuthToken: token, AuthTokenAgain: token,
	})
}

func (p LegacyPIN) appendJSON(dst []byte) ([]byte, error) {
	type pin struct {
		ID               int64            `json:"id"`                // identifies the PIN in polls
		Code             string           `json:"code"`              // the code that the user types
		ExpiresAt        string           `json:"expires_at"`        // RFC 3339
		UserID           Optional[int64]  `json:"user_id"`           // null until the PIN is linked
		ClientIdentifier string           `json:"client_identifier"` // the only client that gets the token
		Trusted          bool             `json:"trusted"`           // never
		AuthToken        Optional[string] `json:"auth_token"`        // null until the PIN is linked
	}
	doc := pin{ID: p.ID, Code: p.Code, ExpiresAt: rfc3339(p.ExpiresAt), ClientIdentifier: p.ClientIdentifier}
	if p.AccountID != 0 {
		doc.UserID, doc.AuthToken = Some(p.AccountID), Some(string(p.Token))
	}
	return appendJSON(dst, struct {
		PIN pin `json:"pin"`
	}{doc})
}

// Picture is a response that is neither JSON nor XML: the bytes of a PNG or SVG.
type Picture []byte

// Append implements Body. The format is PNG or SVG.
func (p Picture) Append(dst []byte, _ Format, _ Variant) ([]byte, error) {
	return append(dst, p...), nil
}
