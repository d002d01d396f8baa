// Package passkeytest is an authenticator for tests: it makes passkeys and
// answers challenges as a phone would, and as an attacker would.
//
// It owns the authenticator's half of WebAuthn and what the browser adds to
// it. It checks nothing: whatever a test wants to have said is said.
package passkeytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// Key is a passkey. A copy of it is a copy of the authenticator.
type Key struct {
	// ID is what the key is called by its authenticator.
	ID []byte
	// User is the handle of the account that it was made for.
	User []byte
	// Party is the ID of the site that it is for.
	Party string
	// Origin is the page that the browser says it is on.
	Origin string
	// Count is how often it has signed; it says so.
	Count uint32
	// Unverified: it does not ask for a finger or a PIN.
	Unverified bool

	private *ecdsa.PrivateKey
}

// Flags of the authenticator's data.
const (
	present  = 0x01
	verified = 0x04
	attested = 0x40
)

// options is the part of both kinds of options that is read here.
type options struct {
	PublicKey struct {
		Challenge string `json:"challenge"`
		RPID      string `json:"rpId"`
		RP        struct {
			ID string `json:"id"`
		} `json:"rp"`
		User struct {
			ID string `json:"id"`
		} `json:"user"`
	} `json:"publicKey"`
}

// Create makes a passkey as options say, on a page of origin, and returns it
// with what the browser would send.
func Create(t testing.TB, opts []byte, origin string) (*Key, []byte) {
	t.Helper()
	o := read(t, opts)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	user, err := base64.RawURLEncoding.DecodeString(o.PublicKey.User.ID)
	check(t, err)
	k := &Key{ID: []byte(rand.Text()), User: user, Party: o.PublicKey.RP.ID, Origin: origin, private: private}
	return k, k.Attest(t, o.PublicKey.Challenge)
}

// Attest is the answer of a passkey that was just made, to a challenge.
func (k *Key) Attest(t testing.TB, challenge string) []byte {
	t.Helper()
	point, err := k.private.PublicKey.Bytes()
	check(t, err)
	public, err := webauthncbor.Marshal(webauthncose.EC2PublicKeyData{
		PublicKeyData: webauthncose.PublicKeyData{
			KeyType: int64(webauthncose.EllipticKey), Algorithm: int64(webauthncose.AlgES256),
		},
		Curve: int64(webauthncose.P256), XCoord: point[1:33], YCoord: point[33:],
	})
	check(t, err)
	data := k.data(attested)
	data = append(data, make([]byte, 16)...) // the make of the authenticator is not disclosed
	data = binary.BigEndian.AppendUint16(data, uint16(len(k.ID)))
	data = append(append(data, k.ID...), public...)
	object, err := webauthncbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	check(t, err)
	return k.message(t, map[string]string{
		"attestationObject": encode(object), "clientDataJSON": encode(k.clientData(t, "webauthn.create", challenge)),
	})
}

// Sign answers options, as navigator.credentials.get would.
func (k *Key) Sign(t testing.TB, opts []byte) []byte {
	t.Helper()
	return k.Answer(t, read(t, opts).PublicKey.Challenge)
}

// Answer answers a challenge, one signature later.
func (k *Key) Answer(t testing.TB, challenge string) []byte {
	t.Helper()
	k.Count++
	data, client := k.data(0), k.clientData(t, "webauthn.get", challenge)
	clientHash := sha256.Sum256(client)
	sum := sha256.Sum256(append(data[:len(data):len(data)], clientHash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, k.private, sum[:])
	check(t, err)
	return k.message(t, map[string]string{
		"authenticatorData": encode(data), "clientDataJSON": encode(client),
		"signature": encode(signature), "userHandle": encode(k.User),
	})
}

// Challenge is the challenge of options.
func Challenge(t testing.TB, opts []byte) string {
	t.Helper()
	return read(t, opts).PublicKey.Challenge
}

// data is the authenticator's data up to the key.
func (k *Key) data(flags byte) []byte {
	flags |= present
	if !k.Unverified {
		flags |= verified
	}
	party := sha256.Sum256([]byte(k.Party))
	return binary.BigEndian.AppendUint32(append(party[:], flags), k.Count)
}

func (k *Key) clientData(t testing.TB, kind, challenge string) []byte {
	t.Helper()
	text, err := json.Marshal(protocol.CollectedClientData{
		Type: protocol.CeremonyType(kind), Challenge: challenge, Origin: k.Origin,
	})
	check(t, err)
	return text
}

func (k *Key) message(t testing.TB, response map[string]string) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"id": encode(k.ID), "rawId": encode(k.ID), "type": "public-key", "response": response,
		"clientExtensionResults": map[string]any{}, "authenticatorAttachment": "platform",
	})
	check(t, err)
	return text
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func read(t testing.TB, opts []byte) (o options) {
	t.Helper()
	err := json.Unmarshal(opts, &o)
	if err == nil && o.PublicKey.Challenge == "" {
		err = fmt.Errorf("the options have no challenge: %s", opts)
	}
	check(t, err)
	return o
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
