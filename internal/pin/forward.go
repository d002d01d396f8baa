package pin

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/letters"
	"github.com/usher-auth/usher/plexauth"
)

// ProofParameter is the query parameter that carries the proof in the address
// that a browser is sent on to.
const ProofParameter = "pinProof"

// maxForward is the most bytes of an address that gets a proof.
const maxForward = 2048

// proofLength is that of a proof: 22 letters and digits hold 130 bits.
const proofLength = 22

// Errors about addresses that browsers are sent on to.
var (
	errForward = fault.New(fault.Invalid,
		"the program asked to be opened at something that is not a web address, so nothing was given to it")
	errOnPage = fault.New(fault.Denied,
		"this sign-in is completed in a browser only, which then goes on to the program")
)

// ParseForward parses an address that a browser is to be sent on to, and returns it
// as browsers read it: in ASCII, with the host that they connect to. It returns nil
// for an empty one. Attack: an address that runs a script ("javascript:"), or one
// that people and browsers read as different hosts: a user name before the host, a
// dot or a slash of another script in it, letters that look like others, an address
// in hexadecimal. fault.Invalid.
func ParseForward(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil ||
		strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return nil, errForward
	}
	if !asBrowsersRead(u) {
		return nil, errForward
	}
	return u, nil
}

// parseProofURL is ParseForward for an address that gets a proof, as text. The
// program's server gives it, and can write it in any form that is asked for.
func parseProofURL(text string) (string, error) {
	u, err := ParseForward(text)
	switch {
	case u == nil && err == nil:
		return "", nil
	case err != nil:
		return "", fault.Invalidf("proofUrl", "proofUrl is not of the form https://app.example.org/path")
	case len(text) > maxForward:
		return "", fault.Invalidf("proofUrl", "proofUrl has more than %d bytes", maxForward)
	case !hasPlainHost(text):
		return "", fault.Invalidf("proofUrl",
			"the host of proofUrl has a character that is not ASCII: such a name is written in its xn-- form")
	case hasProof(u.RawQuery):
		return "", fault.Invalidf("proofUrl", "proofUrl has a parameter %s already", ProofParameter)
	}
	return u.String(), nil
}

// hasPlainHost reports whether the host of an address is ASCII as it was written.
func hasPlainHost(text string) bool {
	u, err := url.Parse(text)
	return err == nil && !strings.ContainsFunc(u.Host, func(r rune) bool { return r > '~' || r == '%' })
}

// hasProof reports whether any program could find a proof in a query. Some take
// semicolons for separators.
func hasProof(query string) bool {
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); err == nil && name == ProofParameter {
			return true
		}
	}
	return false
}

// proof is what the browser of the person who agreed is given for the program:
// it shows that the browser that comes to the program is the one that agreed.
// It is derived, and so need not be stored, from the nonce of the PIN and the
// account that it was linked to.
func (s *Service) proof(p PIN) string {
	mac := hmac.New(sha256.New, s.proofKey[:])
	mac.Write(p.Nonce[:])
	mac.Write(strconv.AppendInt(nil, p.AccountID, 10))
	return string(letters.Write(mac.Sum(nil), proofLength))
}

// Forward is where the browser of the person who linked a PIN goes on to.
type Forward struct {
	// Address is the one that the program gave when it started the PIN.
	Address *url.URL
	// WithProof is Address with the proof. It must reach nobody but that
	// browser.
	WithProof *url.URL
}

// String keeps the proof out of logs.
func (f Forward) String() string { return f.Address.String() }

// Forward returns where the actor's browser goes on to, after the actor has
// linked the PIN with a code on a page. ErrNotFound if the actor has not, if the
// program did not ask for a proof, or if it has received the token.
func (s *Service) Forward(ctx context.Context, by audit.Actor, code string) (Forward, error) {
	code, ok := Normal(code)
	if !ok || by.AccountID == 0 {
		return Forward{}, ErrNotFound
	}
	p, err := s.rows.ByCode(ctx, s.db, code)
	if errors.Is(err, db.ErrNotFound) {
		return Forward{}, ErrNotFound
	}
	if err != nil {
		return Forward{}, err
	}
	if p.AccountID != by.AccountID || p.Forward == "" || p.Revoked || !s.now().Before(p.ExpiresAt) {
		return Forward{}, ErrNotFound
	}
	address, err := url.Parse(p.Forward)
	if err != nil {
		return Forward{}, err
	}
	return Forward{address, withProof(address, s.proof(p))}, nil
}

// withProof adds a proof to an address. All else of it stays as the program
// wrote it.
func withProof(address *url.URL, proof string) *url.URL {
	with := *address
	if with.RawQuery != "" {
		with.RawQuery += "&"
	}
	with.RawQuery += ProofParameter + "=" + proof
	return &with
}

// Redeem is Get with the proof that a browser has brought. It returns the token
// once: the PIN is removed. Attack: the address with the proof is found in a
// history or a log, and is opened again. ErrNotFound if the proof is not that of
// this PIN and of the account that it was linked to. A PIN that needs no proof
// ignores it.
func (s *Service) Redeem(
	ctx context.Context, id int64, client, address string, proof plexauth.Secret,
) (PIN, plexauth.Secret, error) {
	p, err := s.find(ctx, id, client, address)
	if err != nil {
		return PIN{}, "", err
	}
	if p.Forward == "" {
		return s.answer(p)
	}
	if p.AccountID == 0 || !same(s.proof(p), string(proof)) {
		return PIN{}, "", ErrNotFound // not counted: who gets here knows the ID
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		now, err := s.rows.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if now.Nonce != p.Nonce || now.AccountID != p.AccountID || now.Revoked || !tx.Now().Before(now.ExpiresAt) {
			return ErrNotFound
		}
		return s.rows.Delete(ctx, tx, id)
	})
	if err != nil {
		return PIN{}, "", named("redeeming the proof of a PIN", err)
	}
	return p, s.tokens.OfPIN(p.Nonce), nil
}
