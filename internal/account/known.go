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
	// a secret: every server that the program uses learns it. Empty: it is no program.
	ClientIdentifier string
	// Marks is what MarkBrowser returned to the browser. It cannot be forged.
	// Empty: no marks.
	Marks plexauth.Secret
}

// place is where a try comes from, as the limits of an account see it.
type place struct {
	// known says that the device has signed in to the account before.
	known bool
	// tries is whose wrong and right passwords are counted together.
	tries string
	// codes is whose wrong codes are counted together. It is stored.
	codes string
}

// placeOf returns where a try for an account comes from. The work is the same
// whether there is such an account or not.
//
// Attack: someone who knows the client identifier of a device says that they are
// it. That buys a turn in the queue and the tries of one more device, of which an
// account has few. It does not keep the device itself from signing in, unless
// they are in its network: passwords are counted by network as well, and codes by
// whether the device is where it last signed in.
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

// Knows reports whether a browser has signed in to an account before, as its marks
// say.
func (s *Service) Knows(a Account, from Caller) bool { return s.marked(a, from.Marks) != "" }

const (
	// maxMarks is how many accounts a browser is known to.
	maxMarks = 8
	// MarkLife is how long a browser is known after a sign-in.
	MarkLife = 365 * 24 * time.Hour
	// markSeparator separates the marks of a browser, and dots their parts.
	markSeparator = "~"
)

// MarkBrowser returns what a browser that has just signed in to an account sends
// from now on, given what it sent before. It tells nothing about the account. A
// browser that is known keeps its name, and so its limits.
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
	// maxMark bounds what is taken for a mark. One has 56 characters.
	maxMark = 64
	// markAlphabet is the characters of a mark: base32, base36, base64url and dots.
	markAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
)

// splitMarks returns the texts that may be marks, maxMarks at most.
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

// marked returns the name of a browser that has signed in to an account; empty if
// none of its marks says so.
func (s *Service) marked(a Account, marks plexauth.Secret) (browser string) {
	for mark := range splitMarks(marks) {
		if name, ok := s.readMark(a, mark); ok {
			browser = "browser " + name
		}
	}
	return browser
}

// readMark returns the name of the browser in a mark, if the mark is about an
// account and has not expired.
func (s *Service) readMark(a Account, mark string) (name string, ok bool) {
	name, rest, _ := strings.Cut(mark, ".")
	at, mac, _ := strings.Cut(rest, ".")
	right := subtle.ConstantTimeCompare([]byte(mac), []byte(s.markOf(a, name, at))) == 1
	when, err := strconv.ParseInt(at, 36, 64)
	return name, right && err == nil && a.ID != 0 && s.now().Before(time.Unix(when, 0).Add(MarkLife))
}

// markOf authenticates the mark of a browser for an account: 128 bits.
func (s *Service) markOf(a Account, name, at string) string {
	mac := hmac.New(sha256.New, s.marks[:])
	mac.Write([]byte(a.UUID + "\x00" + name + "\x00" + at))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}
