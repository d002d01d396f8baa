package server

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

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
