package account

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/glyph"
	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/plexauth"
)

// Title is the field of an invalid name of a managed account.
const Title = "title"

// AddManaged adds a managed account to the home of another one, in an open transaction.
// It has no username, no e-mail address and no password, and cannot get one
// (ErrManaged). Errors: fault.Invalid.
func (s *Service) AddManaged(
	ctx context.Context, tx *db.Tx, by audit.Actor, ownerID int64, name string,
) (Account, error) {
	name, err := checkTitle(name)
	if err != nil {
		return Account{}, err
	}
	a := Account{Username: name, Title: name, OwnerID: ownerID, UUID: s.NewUUID(), CreatedAt: tx.Now()}
	// Usernames are unique. The leading space ensures that nobody can sign in with this
	// one: a folded login never begins with a space.
	a.UsernameKey = " " + a.UUID
	if a.ID, err = s.rows.Insert(ctx, tx, a); err != nil {
		return Account{}, err
	}
	if err := s.rows.SetSkeletons(ctx, tx, a.ID, glyph.Version, nil); err != nil {
		return Account{}, err
	}
	return a, s.audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.AccountAdded, AccountID: a.ID, Account: a.Username, Detail: "managed",
	})
}

// RenameManaged changes the name of a managed account, in an open transaction. Errors:
// fault.Invalid.
func (s *Service) RenameManaged(ctx context.Context, tx *db.Tx, by audit.Actor, a Account, name string) error {
	name, err := checkTitle(name)
	if err != nil || name == a.Title {
		return err
	}
	e := audit.Event{Kind: audit.AccountChanged, AccountID: a.ID, Account: a.Username}
	a.Username, a.Title = name, name
	if err := s.rows.Update(ctx, tx, a); err != nil {
		return err
	}
	return s.audit.Record(ctx, tx, by, e)
}

// RemoveManaged removes a managed account with its devices, tokens and shares, in an
// open transaction.
func (s *Service) RemoveManaged(ctx context.Context, tx *db.Tx, by audit.Actor, a Account) error {
	e := audit.Event{Kind: audit.AccountRemoved, AccountID: a.ID, Account: a.Username}
	if err := s.audit.Record(ctx, tx, by, e); err != nil {
		return err
	}
	return s.rows.Delete(ctx, tx, a.ID)
}

// checkTitle checks the name of a managed account, which may have spaces.
func checkTitle(name string) (string, error) {
	name = norm.NFC.String(strings.Join(strings.Fields(name), " "))
	switch {
	case name == "":
		return "", fault.Invalidf(Title, "the name is empty")
	case !utf8.ValidString(name), strings.ContainsFunc(name, unicode.IsControl), glyph.HasInvisible(name):
		return "", fault.Invalidf(Title, "the name has an invisible character")
	case utf8.RuneCountInString(name) > maxName:
		return "", fault.Invalidf(Title, "the name is longer than %d characters", maxName)
	}
	for word := range strings.FieldsSeq(name) {
		if glyph.MixesScripts(word) {
			return "", fault.Invalidf(Title, "the name mixes letters or digits of different scripts, which look like others")
		}
	}
	return name, nil
}

// NewUUID generates the UUID of an account.
func (s *Service) NewUUID() string {
	var uuid [8]byte
	_, _ = io.ReadFull(s.random, uuid[:]) // crypto/rand never fails
	return hex.EncodeToString(uuid[:])
}

// HashPIN hashes the PIN of an account in a home, after waiting for a turn.
func (s *Service) HashPIN(ctx context.Context, by audit.Actor, a Account, pin plexauth.Secret) (plexauth.Secret, error) {
	leave, err := s.enter(ctx, guard.Claim{Network: guard.Network(by.Address), Account: "a new PIN"})
	if err != nil {
		return "", err
	}
	defer leave()
	return s.hasher.hash(s.pepper(a, pin)), nil
}

// MatchPIN reports whether a PIN matches the hash of an account's PIN, after waiting
// for a turn. A hash that cannot be decoded matches nothing, and takes the same time.
func (s *Service) MatchPIN(ctx context.Context, by audit.Actor, a Account, pin, hash plexauth.Secret) (bool, error) {
	leave, err := s.enter(ctx, guard.Claim{Network: guard.Network(by.Address), Account: strconv.FormatInt(a.ID, 10)})
	if err != nil {
		return false, err
	}
	defer leave()
	have, err := parsePHC(hash)
	if err != nil {
		have = s.nobodys()
	}
	return s.hasher.matches(s.pepper(a, pin), have) && err == nil, nil
}

// pepper authenticates a PIN with a key from the key file before it is hashed. There
// are only ten thousand PINs of four digits, so each of them could be found within
// minutes from a stolen database alone.
func (s *Service) pepper(a Account, pin plexauth.Secret) plexauth.Secret {
	mac := hmac.New(sha256.New, s.pins[:])
	mac.Write([]byte(a.UUID + "\x00" + string(pin)))
	return plexauth.Secret(hex.EncodeToString(mac.Sum(nil)))
}

// LockAfter returns how long a caller has to wait after wrong codes in a row: a minute
// when the free ones are used up, and twice as long after each further one, up to a
// day.
func LockAfter(wrong, free int) time.Duration { return lockAfter(wrong, free) }
