package api

import (
	"net"
	"net/http"
	"strings"
)

// plane is the plane of an endpoint's path.
type plane uint8

const (
	accountPlane plane = iota // paths of plex.tv
	mediaPlane                // paths of a media server
	bothPlanes                // paths of both
)

// protocol is the version of the protocol that media servers send in each response, in
// the header protocolHeader.
const (
	protocolHeader = "X-Plex-Protocol"
	protocol       = "1.0"
)

// isMedia reports whether a request for a path of a plane is for the media plane.
// A path that both have is plex.tv's if the request names plex.tv, where this
// server stands in for it, and a media server's if it names one below plex.direct,
// where media servers have their certificates. Under any other name it is plex.tv's
// if it has a suffix, which media servers do not know.
func (p plane) isMedia(r *http.Request) bool {
	if p != bothPlanes {
		return p == mediaPlane
	}
	switch host := hostName(r.Host); {
	case host == "plex.tv", host == "www.plex.tv", host == "clients.plex.tv":
		return false
	case strings.HasSuffix(host, ".plex.direct"):
		return true
	}
	return suffixOf(r) == ""
}

// hostName returns the name in a Host header, in lower case, without the port and a
// trailing dot.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// suffixOf returns the suffix of the original path of a request.
func suffixOf(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	return formatSuffix(strings.TrimSuffix(path, "/"))
}
