package pin

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// asBrowsersRead rewrites a URL in ASCII, with the host that browsers connect to. It
// reports whether they accept the host.
func asBrowsersRead(u *url.URL) bool {
	host, ok := browserHost(u.Hostname())
	if !ok {
		return false
	}
	if port := u.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return false
		}
		host += ":" + strconv.FormatUint(n, 10)
	}
	u.Host, u.RawQuery = host, asciiQuery(u.RawQuery)
	return true
}

// asciiQuery escapes non-ASCII characters in a query, as browsers do. url.URL does so
// in the other parts.
func asciiQuery(query string) string {
	var b strings.Builder
	for i := range len(query) {
		if c := query[i]; c < utf8.RuneSelf {
			b.WriteByte(c)
		} else {
			b.WriteString(url.QueryEscape(query[i : i+1]))
		}
	}
	return b.String()
}

// browserNames maps host names as browsers do (WHATWG URL, "domain to ASCII").
var browserNames = idna.New(
	idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.CheckHyphens(false),
	idna.CheckJoiners(true), idna.BidiRule(),
)

// browserHost returns a host as browsers interpret it, for use in a URL. It reports
// whether they accept it.
func browserHost(host string) (string, bool) {
	if strings.Contains(host, ":") { // url.Parse accepts that in brackets only
		ip, err := netip.ParseAddr(host)
		if err != nil || ip.Zone() != "" || !ip.Is6() {
			return "", false
		}
		return "[" + ip.String() + "]", true
	}
	name, err := browserNames.ToASCII(host)
	if err != nil || name == "" || len(name) > 254 || strings.ContainsAny(name, forbiddenInHosts) ||
		strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", false
	}
	// A name that browsers accept maps to itself. Bytes that are not UTF-8 become the
	// Punycode of U+FFFD, which no browser opens.
	if again, err := browserNames.ToASCII(name); err != nil || again != name {
		return "", false
	}
	last := lastLabel(name)
	if isNumber(last) {
		ip, ok := parseIPv4(strings.TrimSuffix(name, "."))
		return ip, ok
	}
	if strings.ToLower(host) == name && utf8.RuneCountInString(host) == len(host) {
		return host, true // only the case differs, which browsers ignore
	}
	return name, true
}

// forbiddenInHosts are the ASCII characters that end a host, or that browsers reject in
// one. Characters that are mapped to one of them are rejected, too.
const forbiddenInHosts = "#%/:<>?@[\\]^|"

func lastLabel(name string) string {
	name = strings.TrimSuffix(name, ".")
	return name[strings.LastIndexByte(name, '.')+1:]
}

// isNumber reports whether browsers interpret a label as a number.
func isNumber(label string) bool {
	if label != "" && strings.Trim(label, "0123456789") == "" {
		return true
	}
	hex, ok := strings.CutPrefix(label, "0x")
	return ok && strings.Trim(hex, "0123456789abcdef") == ""
}

// parseIPv4 reads an address of up to four parts, each of them decimal, octal or
// hexadecimal, as browsers do ("IPv4 parser"): 127.1 is 127.0.0.1.
func parseIPv4(text string) (string, bool) {
	parts := strings.Split(text, ".")
	if len(parts) > 4 {
		return "", false
	}
	var address uint64
	for i, part := range parts {
		n, ok := parseNumber(part)
		room := uint64(1) << 8
		if i == len(parts)-1 {
			room = 1 << (8 * (5 - len(parts))) // the last part has all that is left
		}
		if !ok || n >= room {
			return "", false
		}
		if i == len(parts)-1 {
			address += n
		} else {
			address += n << (8 * (3 - i))
		}
	}
	return netip.AddrFrom4([4]byte{byte(address >> 24), byte(address >> 16), byte(address >> 8), byte(address)}).String(), true
}

func parseNumber(text string) (uint64, bool) {
	if !isNumber(text) {
		return 0, false
	}
	base := 10
	switch {
	case strings.HasPrefix(text, "0x"):
		if text, base = text[2:], 16; text == "" {
			return 0, true
		}
	case len(text) > 1 && text[0] == '0':
		text, base = text[1:], 8
	}
	n, err := strconv.ParseUint(text, base, 64)
	return n, err == nil
}
