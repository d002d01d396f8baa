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

// ProofParameter is the query parameter with the proof in the URL that a browser is
// redirected to.
const ProofParameter = "pinProof"

// maxForward is the maximum length of a URL that gets a proof, in bytes.
const maxForward = 2048

// proofLength is the length of a proof: 22 letters and digits, which hold 130 bits.
const proofLength = 22

// Errors about URLs that browsers are redirected to.
var (
	errForward = fault.New(fault.Invalid,
		"the program asked to be opened at something that is not a web address, so it was given no access")
	errOnPage = fault.New(fault.Denied,
		"this sign-in is completed in a browser only, which then goes on to the program")
)

// ParseForward parses a URL that a browser will be redirected to, and returns it as
// browsers interpret it: in ASCII, with the host that they connect to. It returns nil
// for an empty text. Attack: a URL that runs a script ("javascript:"). Attack: a URL
// whose host people and browsers read differently: with a user name before the host,
// with a dot, a slash or letters of another script that look like ASCII, or with an IP
// address in hexadecimal. Errors: fault.Invalid.
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

// parseProofURL is ParseForward for a URL that gets a proof. It is stricter, because
// the program's server sends the URL and can write it in the required form.
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

// hasPlainHost reports whether the host of a URL is written in ASCII.
func hasPlainHost(text string) bool {
	u, err := url.Parse(text)
	return err == nil && !strings.ContainsFunc(u.Host, func(r rune) bool { return r > '~' || r == '%' })
}

// hasProof reports whether a query already has a parameter that a program could take
// for a proof. Some programs treat semicolons as separators.
func hasProof(query string) bool {
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); err == nil && name == ProofParameter {
			return true
		}
	}
	return false
}

// proof returns the proof that the browser of the consenting user takes to the program.
// It shows the program that this browser is the one in which the user consented. It is
// derived from the nonce of the PIN and the linked account, so it need not be stored.
func (s *Service) proof(p PIN) string {
	mac := hmac.New(sha256.New, s.proofKey[:])
	mac.Write(p.Nonce[:])
	mac.Write(strconv.AppendInt(nil, p.AccountID, 10))
	return string(letters.Write(mac.Sum(nil), proofLength))
}

// Forward is the URL to which the browser of the user who linked a PIN is redirected.
type Forward struct {
	// Address is the URL that the program set when it started the PIN.
	Address *url.URL
	// WithProof is Address with the proof. Only that browser may receive it.
	WithProof *url.URL
}

// String keeps the proof out of logs.
func (f Forward) String() string { return f.Address.String() }

// Forward returns the URL to which the actor's browser is redirected, after the actor
// has linked the PIN with a code on a page. The error is ErrNotFound if the actor has
// not linked it, if the program did not request a proof, or if it has received the
// token already.
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

// withProof adds a proof to a URL, which otherwise stays as the program wrote it.
func withProof(address *url.URL, proof string) *url.URL {
	with := *address
	if with.RawQuery != "" {
		with.RawQuery += "&"
	}
	with.RawQuery += ProofParameter + "=" + proof
	return &with
}

// Redeem is Get with the proof that a browser brought. It returns the token once, and
// removes the PIN. Attack: someone finds the URL with the proof in a history or a log,
// and opens it again. The error is ErrNotFound if the proof is not the one of this PIN
// and its linked account. A PIN without a ForwardURL ignores the proof.
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
		return PIN{}, "", ErrNotFound // not counted, because the caller knows the ID
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
