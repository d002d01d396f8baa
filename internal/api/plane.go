package api

import (
	"net"
	"net/http"
	"strings"
)

// plane is whose paths an endpoint answers.
type plane uint8

const (
	accountPlane plane = iota // those of plex.tv
	mediaPlane                // those of a media server
	bothPlanes                // those of both
)

// protocol is the version of the protocol that media servers name in each
// answer, and protocolHeader where.
const (
	protocolHeader = "X-Plex-Protocol"
	protocol       = "1.0"
)

// isMedia reports whether a request for a path of a plane is for the media plane.
// A path that both have is plex.tv's if the request names plex.tv, where this
// server stands in for it, or has a suffix, which media servers do not know.
func (p plane) isMedia(r *http.Request) bool {
	return p == mediaPlane || p == bothPlanes && !namesPlexTV(r.Host) && suffixOf(r) == ""
}

// namesPlexTV reports whether a Host header is that of the account service.
func namesPlexTV(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	switch strings.ToLower(strings.TrimSuffix(host, ".")) {
	case "plex.tv", "www.plex.tv", "clients.plex.tv":
		return true
	}
	return false
}

// suffixOf returns the suffix that a request's path had when it came.
func suffixOf(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	return formatSuffix(path)
}
