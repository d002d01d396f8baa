package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/pin"
)

// link is the page with a box for each character of a device's code.
type link struct {
	pins *pin.Service
}

func (l *link) pages() []page {
	return []page{
		{"GET", "/link", signedIn, l.form},
		{"POST", "/link", signedIn, l.submit},
	}
}

// linkData is the form of the code.
type linkData struct {
	sent
	pinRequest
	Boxes [4]string
}

// errNoCode says that no device waits under a code.
var errNoCode = fault.WithField(fault.New(fault.Unauthenticated, "no device shows this code now: compare each character; "+
	"a code that has run out is replaced on the device"), "code", "")

// newLinkData fills the boxes with the request's code.
func newLinkData(r pinRequest) linkData {
	d := linkData{pinRequest: r}
	for i, character := range []rune(strings.ToUpper(strings.TrimSpace(r.Code))) {
		if i < len(d.Boxes) {
			d.Boxes[i] = string(character)
		}
	}
	return d
}

// form asks for the code that a device shows.
func (l *link) form(_ context.Context, v *visit) (view, error) {
	code := strings.TrimSpace(v.URL.Query().Get("pin"))
	if len(code) > len(linkData{}.Boxes) {
		return view{to: "/auth?" + pinRequest{Code: code}.query()}, nil // a long code, from a QR code
	}
	return view{name: "link", data: newLinkData(pinRequest{Code: code})}, nil
}

// submit looks up the code and redirects to the consent page.
func (l *link) submit(ctx context.Context, v *visit) (view, error) {
	r := readPINRequest(v.PostForm)
	r.Code = strings.ToUpper(strings.Join(strings.Fields(strings.Join(v.PostForm["code"], "")), ""))
	found, err := findPIN(ctx, l.pins, v, r)
	if errors.Is(err, pin.ErrNotFound) {
		data := newLinkData(r)
		data.sent, _ = rejected(v, errNoCode)
		return view{name: "link", status: http.StatusNotFound, data: data}, nil
	}
	if err != nil {
		return view{}, err
	}
	return view{to: "/auth?" + r.query(), cookies: []*http.Cookie{codeCookie(found.Code)}}, nil
}
