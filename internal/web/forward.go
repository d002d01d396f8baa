package web

import (
	"net/url"
	"strings"

	"github.com/usher-auth/usher/internal/fault"
)

// errForward says that a forwardUrl is not an address that browsers can be sent
// to.
var errForward = fault.New(fault.Invalid,
	"the program asked to be opened at something that is not a web address, so nothing was given to it")

// forwardTarget parses a forwardUrl. It returns nil for an empty one. Attack: a
// target that runs a script ("javascript:"), or one that users and browsers read
// as different hosts (a user name before the host).
func forwardTarget(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil ||
		strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return nil, errForward
	}
	return u, nil
}
