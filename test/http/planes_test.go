package http_test

import (
	"fmt"
	"strings"
	"testing"
)

// GET /devices has one meaning at plex.tv and another at a media server. A server that is
// both uses the host in the request to decide.
func TestDevicesByHost(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start()
	s.signIn("token olga phone")
	s.line("GET /security/token.json?type=delegation&scope=all&X-Plex-Token=$token")
	s.line("status 200")
	s.line("save transient json MediaContainer.token")
	for _, test := range []struct {
		request, host, accept, token string
		status                       int
		contentType                  string // of the answer
		media                        bool   // it is a media server's answer
	}{
		{"/devices", "plex.tv", "application/json", "token", 200, "application/xml; charset=utf-8", false},
		{"/devices", "Clients.Plex.TV:443", "*/*", "token", 200, "application/xml; charset=utf-8", false},
		{"/devices", "plex.tv.", "*/*", "transient", 403, "application/xml; charset=utf-8", false},
		{"http://plex.tv/devices", "localhost", "*/*", "transient", 403, "application/xml; charset=utf-8", false},
		{"/devices.json", "plex.tv", "*/*", "token", 200, "application/json", false},
		{"/devices.json", "localhost", "*/*", "transient", 403, "application/json", false},
		{"/devices", "localhost:32400", "application/json", "transient", 200, "application/json", true},
		{"/devices", "localhost:32400", "*/*", "token", 200, "application/xml; charset=utf-8", true},
		{"/devices", "plex.tv.example.org", "*/*", "transient", 200, "application/xml; charset=utf-8", true},
		{"/devices", "192-0-2-1.0123456789abcdef.plex.direct:32400", "*/*", "transient", 200, "application/xml; charset=utf-8", true},
		{"/devices.json", "192-0-2-1.0123456789abcdef.Plex.Direct.", "*/*", "transient", 200, "application/json", true},
		{"/devices.json", "plex.direct.example.org", "*/*", "transient", 403, "application/json", false},
		{"/devices", "xplex.tv", "*/*", "transient", 200, "application/xml; charset=utf-8", true},
	} {
		t.Run(fmt.Sprintf("%s at %s as %s by %s", test.request, test.host, test.accept, test.token), func(t *testing.T) {
			got := s.raw(t, strings.NewReader(fmt.Sprintf(
				"GET %s HTTP/1.1\r\nHost: %s\r\nAccept: %s\r\nX-Plex-Token: %s\r\n\r\n",
				test.request, test.host, test.accept, s.vars[test.token])), false)
			if got.err != nil || got.status != test.status || got.header.Get("Content-Type") != test.contentType {
				t.Errorf("got status %d as %s (%v)", got.status, got.header.Get("Content-Type"), got.err)
			}
			if media := got.header.Get("X-Plex-Protocol") == "1.0"; media != test.media {
				t.Errorf("got a media server's answer: %v, want %v", media, test.media)
			}
		})
	}
}
