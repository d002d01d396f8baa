package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

const (
	// timeout is how long a receiver may take.
	timeout = 5 * time.Second
	// maxAnswer is how much of an answer is read.
	maxAnswer = 4 << 10
)

// SignatureHeader has the signature of the payload: "sha256=" and Sign.
const SignatureHeader = "X-Usher-Signature"

// errNotPublic says that a name leads to where webhooks are not sent.
var errNotPublic = errors.New("its address is not public, and in no network that is allowed")

// notPublic are the networks that netip does not tell apart from public ones: those
// of carriers, of tests and of the future, those that stand for addresses of version
// 4, and the metadata service that has an address like any other (of Azure).
var notPublic = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "240.0.0.0/4", "168.63.129.16/32",
	"::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10",
)

// translated are addresses of version 4, for hosts that have only one of version 6.
var translated = netip.MustParsePrefix("64:ff9b::/96")

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// sender sends requests to public addresses, and to those of some networks.
type sender struct {
	networks []netip.Prefix
	client   *http.Client
}

// newSender returns a sender. Each request has a connection of its own, whose address
// is checked after the name was looked up, and goes through no proxy.
func newSender(networks []netip.Prefix) sender {
	s := sender{networks: networks}
	dialer := &net.Dialer{Timeout: timeout, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !s.may(to.Addr()) {
			return errNotPublic
		}
		return nil
	}}
	s.client = &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, DisableKeepAlives: true, DisableCompression: true, TLSHandshakeTimeout: timeout,
			MaxResponseHeaderBytes: 16 << 10,
		},
	}
	return s
}

// may reports whether requests may go to an address.
func (s sender) may(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if b := ip.As16(); ip.Is6() && translated.Contains(ip) {
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	in := func(p netip.Prefix) bool { return p.Contains(ip) }
	if slices.ContainsFunc(s.networks, in) {
		return true
	}
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !slices.ContainsFunc(notPublic, in)
}

// refused is the status of a receiver that did not accept a request.
type refused int

func (r refused) Error() string { return fmt.Sprintf("the receiver answered status %d", int(r)) }

// final reports whether the receiver will not accept the request later either.
func (r refused) final() bool {
	return r < 500 && r != http.StatusRequestTimeout && r != http.StatusTooEarly && r != http.StatusTooManyRequests
}

// send sends a payload with its signature.
func (s sender) send(ctx context.Context, url string, payload []byte, signature string) error {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormField("payload")
	if err == nil {
		_, err = part.Write(payload)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		return fmt.Errorf("writing a webhook: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, &body)
	if err != nil {
		return fmt.Errorf("preparing a webhook: %w", err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("User-Agent", "usher")
	req.Header.Set(SignatureHeader, "sha256="+signature)
	res, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("sending a webhook: %w", err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	if res.StatusCode/100 != 2 {
		return refused(res.StatusCode)
	}
	return nil
}
