package account

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/guard"
	"github.com/usher-auth/usher/plexauth"
)

// Caller describes the device that sent a request. A device that has signed in to the
// account before is known: its password has priority in the queue, and its failures are
// counted separately, so that others cannot lock it out. Being known never replaces
// credentials.
type Caller struct {
	// ClientIdentifier is the identifier that a program chose for its device. It is not
	// a secret: every server that the program uses learns it. If empty, it is not a program.
	ClientIdentifier string
	// Marks is what MarkBrowser returned to the browser. It cannot be forged.
	// If empty, there are none.
	Marks plexauth.Secret
}

// place identifies the origin of an attempt for the limits of an account.
type place struct {
	// known reports that the device has signed in to the account before.
	known bool
	// tries is the key under which passwords are counted.
	tries string
	// codes is the key under which wrong codes are counted. It is stored.
	codes string
}

// placeOf returns the origin of an attempt on an account. The work is the same whether
// or not the account exists.
//
// Attack: someone sends the client identifier of another user's device. The attacker
// gains priority in the queue and the attempts of one more device, of which an account
// has few. The attacker cannot lock out the device itself, except from the device's own
// network: passwords are also counted by network, and codes by whether the device is
// where it last signed in.
func (s *Service) placeOf(ctx context.Context, a Account, address string, from Caller) (place, error) {
	network := guard.Network(address)
	if browser := s.marked(a, from.Marks); browser != "" {
		return place{true, browser, browser}, nil
	}
	unknown := place{tries: network}
	if from.ClientIdentifier == "" || s.devices == nil {
		return unknown, nil
	}
	id, last, err := s.devices.Known(ctx, a.ID, from.ClientIdentifier)
	if err != nil {
		return place{}, err
	}
	if id == 0 {
		return unknown, nil
	}
	codes := fmt.Sprintf("device %d", id)
	tries := codes + " " + network
	if guard.Network(last) != network {
		codes += " away"
	}
	return place{true, tries, codes}, nil
}

// Knows reports whether the marks of a browser show that it has signed in to an account
// before.
func (s *Service) Knows(a Account, from Caller) bool { return s.marked(a, from.Marks) != "" }

const (
	// maxMarks is the maximum number of accounts that a browser has marks for.
	maxMarks = 8
	// MarkLife is how long a browser is known after a sign-in.
	MarkLife = 365 * 24 * time.Hour
	// markSeparator separates the marks of a browser, and dots their parts.
	markSeparator = "~"
)

// MarkBrowser returns the marks that a browser sends after it has signed in to an
// account, given its previous marks. They reveal nothing about the account. A known
// browser keeps its name, and with it its limits.
func (s *Service) MarkBrowser(a Account, before plexauth.Secret) plexauth.Secret {
	name, marks := rand.Text(), make([]string, 1, maxMarks)
	for mark := range splitMarks(before) {
		if known, ok := s.readMark(a, mark); ok {
			name = known
		} else if len(marks) < maxMarks {
			marks = append(marks, mark)
		}
	}
	at := strconv.FormatInt(s.now().Unix(), 36)
	marks[0] = name + "." + at + "." + s.markOf(a, name, at)
	return plexauth.Secret(strings.Join(marks, markSeparator))
}

const (
	// maxMark is the maximum length of a mark. A valid one has 56 characters.
	maxMark = 64
	// markAlphabet holds the characters of a mark: base32, base36, base64url and dots.
	markAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
)

// splitMarks yields the texts that may be marks, at most maxMarks.
func splitMarks(marks plexauth.Secret) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		n := 0
		for mark := range strings.SplitSeq(string(marks), markSeparator) {
			if mark == "" || len(mark) > maxMark || strings.Trim(mark, markAlphabet) != "" {
				continue
			}
			if n++; n > maxMarks || !yield(mark) {
				return
			}
		}
	}
}

// marked returns the name of a browser if one of its marks shows that it has signed in
// to an account, or "".
func (s *Service) marked(a Account, marks plexauth.Secret) (browser string) {
	for mark := range splitMarks(marks) {
		if name, ok := s.readMark(a, mark); ok {
			browser = "browser " + name
		}
	}
	return browser
}

// readMark returns the name of the browser in a mark, if the mark is valid for an
// account and has not expired.
func (s *Service) readMark(a Account, mark string) (name string, ok bool) {
	name, rest, _ := strings.Cut(mark, ".")
	at, mac, _ := strings.Cut(rest, ".")
	right := subtle.ConstantTimeCompare([]byte(mac), []byte(s.markOf(a, name, at))) == 1
	when, err := strconv.ParseInt(at, 36, 64)
	return name, right && err == nil && a.ID != 0 && s.now().Before(time.Unix(when, 0).Add(MarkLife))
}

// markOf returns the authentication code of a mark of a browser for an account, of 128
// bits.
func (s *Service) markOf(a Account, name, at string) string {
	mac := hmac.New(sha256.New, s.marks[:])
	mac.Write([]byte(a.UUID + "\x00" + name + "\x00" + at))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}
