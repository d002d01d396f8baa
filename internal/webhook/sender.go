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
	// timeout limits the duration of a request.
	timeout = 5 * time.Second
	// maxAnswer is the number of bytes of a response that are read.
	maxAnswer = 4 << 10
)

// SignatureHeader is the header with the signature of the payload: "sha256=" and the
// result of Sign.
const SignatureHeader = "X-Usher-Signature"

// errNotPublic reports that a host name resolves to an address to which webhooks are
// not sent.
var errNotPublic = errors.New("its address is not public, and not in an allowed network")

// notPublic are the networks that netip does not distinguish from public ones:
// carrier-grade NAT, documentation and benchmarks, reserved ones, those that embed IPv4
// addresses, and the public address of Azure's metadata service.
var notPublic = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "240.0.0.0/4", "168.63.129.16/32",
	"::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10",
)

// translated are IPv4 addresses as hosts that have only IPv6 reach them (NAT64, RFC
// 6052).
var translated = netip.MustParsePrefix("64:ff9b::/96")

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// sender sends requests to public addresses, and to those in the allowed networks.
type sender struct {
	networks []netip.Prefix
	client   *http.Client
}

// newSender returns a sender. Each request uses a new connection, without a proxy. The
// address is checked after the name was resolved.
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

// may reports whether requests may be sent to an address.
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

// refused is the status of a response that does not accept the request.
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
