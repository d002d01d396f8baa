package server

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/idna"

	"github.com/usher-auth/usher/internal/httpd"
)

// ownSegments are the first segments of the paths of usher. If the path of the site
// began with one of them, a stripped path could not be recognized: /api/v2/user would
// be /v2/user below /api.
var ownSegments = strings.Fields(`account accounts actions admin api auth claim companions devices docs
	forgot healthz home identity invitation invite link media metrics myplex pins playlists pms prefs readyz reset
	second-factor security servers services settings
	setup static status system transcode updater users video`)

// plainSegment matches segments without characters that proxies, cookies or clients may
// encode.
var plainSegment = regexp.MustCompile(`^[A-Za-z0-9_~-][A-Za-z0-9._~-]*$`)

// CheckPath returns an error if clients cannot reach usher below the path of a public
// URL.
func CheckPath(publicURL string) error {
	path := httpd.PathOf(publicURL)
	if path == "" {
		return nil
	}
	segments := strings.Split(path, "/")[1:]
	for _, s := range segments {
		if !plainSegment.MatchString(s) || strings.Contains(publicURL, "%") {
			return fmt.Errorf("the path %q has more than letters, digits, -, ., _ and ~", path)
		}
	}
	if slices.Contains(ownSegments, segments[0]) {
		return fmt.Errorf("usher has paths of its own below /%s: choose another, such as /usher", segments[0])
	}
	return nil
}

// CleanURL returns a public URL as browsers write it: the scheme and the host in lower
// case and in ASCII, without the default port of the scheme, and without slashes at the
// end. Cookies, passkeys and Strict-Transport-Security depend on the scheme and the host.
// The error reports a host that cannot exist, or a path that CheckPath rejects.
func CleanURL(publicURL string) (string, error) {
	if err := CheckPath(publicURL); err != nil {
		return "", err
	}
	u, err := url.Parse(publicURL) // which writes the scheme in lower case
	if err != nil {
		return "", fmt.Errorf("it is not a URL")
	}
	host, err := cleanHost(u.Hostname())
	if err != nil {
		return "", err
	}
	if port := u.Port(); port != "" && port != map[string]string{"http": "80", "https": "443"}[u.Scheme] {
		host += ":" + port
	}
	return u.Scheme + "://" + host + httpd.PathOf(publicURL), nil
}

// plainHost matches names in ASCII. Names of containers can have underscores.
var plainHost = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?$`)

// cleanHost returns a host as it is written in a URL.
func cleanHost(host string) (string, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.Is6() {
			return "[" + ip.String() + "]", nil
		}
		return ip.String(), nil
	}
	if plainHost.MatchString(host) {
		return strings.ToLower(host), nil
	}
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil || !plainHost.MatchString(ascii) {
		return "", fmt.Errorf("no host can have the name %q", host)
	}
	return ascii, nil
}
