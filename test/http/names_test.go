package http_test

import (
	"fmt"
	"strings"
	"testing"
)

// deviceNames are names of devices, in the bytes that programs send, and the names that are
// stored.
var deviceNames = []struct{ name, sent, kept string }{
	{"in UTF-8", "Büro", "Büro"},
	{"in Latin-1, as python-requests, node and Chromium send it", "B\xfcro", "Büro"},
	{"with a stray byte behind UTF-8", "Büro\xff", "Büro"},
	{"that its program has cut within a letter", "Büro in K\xc3", "Büro in K"},
	{"with a tab", "Living\troom", "Living room"},
	{"with a control character of Latin-1", "B\xfcro\x9b[2J", "Büro[2J"},
	{"of 300 letters", strings.Repeat("x", 300), strings.Repeat("x", 255)},
	{"of 200 letters in UTF-8", strings.Repeat("ü", 200), strings.Repeat("ü", 127)},
	{"of 2,000 letters in Latin-1", strings.Repeat("\xfc", 2000), strings.Repeat("ü", 127)},
}

// A sign-in succeeds whatever the name of the device.
func TestDeviceNames(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.start()
	for i, device := range deviceNames {
		t.Run(device.name, func(t *testing.T) {
			who := fmt.Sprintf("X-Plex-Client-Identifier: names-%d\r\nX-Plex-Device-Name: %s", i, device.sent)
			body := "login=olga&password=" + strings.ReplaceAll(s.vars["olga_password"], " ", "+")
			signedIn := s.raw(t, strings.NewReader(fmt.Sprintf("POST /api/v2/users/signin.json HTTP/1.1\r\nHost: usher\r\n"+
				"%s\r\n%s\r\nContent-Length: %d\r\n\r\n%s", who, form, len(body), body)), false)
			token, err := lookupJSON(signedIn.body, "authToken")
			if signedIn.status != 201 || err != nil {
				t.Fatalf("got status %d and %s (%v)", signedIn.status, signedIn.body, err)
			}
			devices := s.raw(t, strings.NewReader(fmt.Sprintf("GET /devices.json HTTP/1.1\r\nHost: usher\r\n"+
				"%s\r\nX-Plex-Token: %s\r\n\r\n", who, token)), false)
			if err := hasDevice(devices.body, fmt.Sprintf("names-%d", i), device.kept); err != nil {
				t.Errorf("%v, in %s", err, devices.body)
			}
		})
	}
}

// hasDevice finds a client identifier in a list of devices and checks its name.
func hasDevice(list, identifier, name string) error {
	devices, err := lookupJSON(list, ".")
	if err != nil {
		return err
	}
	all, _ := devices.([]any)
	for _, row := range all {
		device, _ := row.(map[string]any)
		if device["clientIdentifier"] != identifier {
			continue
		}
		if device["name"] != name {
			return fmt.Errorf("got the name %q", device["name"])
		}
		return nil
	}
	return fmt.Errorf("there is no device %s", identifier)
}
