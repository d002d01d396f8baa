package wire

import (
	"encoding/xml"

	"github.com/usher-auth/usher/plexauth"
)

// The responses about keys and JWTs have no XML form: no client reads one, and JOSE
// libraries, which read the keys, send no Accept header.

// KeyID is the response to the registration of a key: its ID. Clients read the status
// only, but one that decodes every body as JSON needs some JSON.
type KeyID string

// Append implements Body.
func (k KeyID) Append(dst []byte, _ Format, _ Variant) ([]byte, error) {
	return appendJSON(dst, struct {
		ID string `json:"kid"`
	}{string(k)})
}

// Nonce is a nonce for a device to sign.
type Nonce string

// Append implements Body.
func (n Nonce) Append(dst []byte, _ Format, _ Variant) ([]byte, error) {
	return appendJSON(dst, struct {
		Nonce string `json:"nonce"`
	}{string(n)})
}

// AuthToken is the JWT in exchange for a device's own one.
type AuthToken struct{ Token plexauth.Secret }

// Append implements Body.
func (t AuthToken) Append(dst []byte, _ Format, _ Variant) ([]byte, error) {
	return appendJSON(dst, struct {
		Token string `json:"auth_token"`
	}{string(t.Token)})
}

// PublicKey is a key by RFC 8037.
type PublicKey struct {
	Type      string `json:"kty"` // OKP (RFC 8037)
	Curve     string `json:"crv"` // Ed25519
	X         string `json:"x"`   // the key, in base64url
	ID        string `json:"kid"` // key ID, which a JWT names
	Use       string `json:"use"` // sig
	Algorithm string `json:"alg"` // EdDSA
}

// KeySet is the set of keys that verify JWTs (RFC 7517, section 5).
type KeySet []PublicKey

// Append implements Body.
func (s KeySet) Append(dst []byte, _ Format, _ Variant) ([]byte, error) {
	return appendJSON(dst, struct {
		Keys []PublicKey `json:"keys"`
	}{s})
}

// ClaimToken is a code with which a media server is connected to an account. Its XML is
// inferred.
type ClaimToken struct{ Token plexauth.Secret }

// Append implements Body.
func (t ClaimToken) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	if f == JSON {
		return appendJSON(dst, struct {
			Token string `json:"token"`
		}{string(t.Token)})
	}
	return appendXML(dst, struct {
		XMLName xml.Name `xml:"claim"`
		Token   string   `xml:"token,attr"`
	}{Token: string(t.Token)})
}
