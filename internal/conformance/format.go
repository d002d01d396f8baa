package conformance

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// formatChecks are about XML and JSON, and what every request has.
func formatChecks() []Check {
	return []Check{
		{"format/xml-by-default", "Without an Accept header, and with */*, the answer is XML.", false, "PlexAPI, Tautulli", Read, xmlByDefault},
		{"format/json", "With Accept: application/json, Content-Type is application/json without a parameter.", false, "plex-api 5.3.2, which compares it", Seen, jsonExactly},
		{"format/suffix", "A path that ends in .json or .xml decides, whatever Accept says.", false, "PlexAPI, Organizr, authentik", Read, suffixDecides},
		{"format/accepts", "The header accepts, which newer SDKs send, is not Accept.", false, "the SDKs since October 2025", Seen, acceptsIsNotAccept},
		{"format/errors", "An error is in the format that was asked for, with its code.", false, "the generated SDKs, PlexAPI", Seen, errorFormats},
		{"format/version-1", "Paths of version 1 without a suffix are XML, even if JSON is asked for.", false, "Overseerr, go-plex-client", Read, version1IsXML},
		{"format/booleans", "No boolean in XML is empty: it is 0 or 1.", false, "PlexAPI, which fails on it", Seen, xmlBooleans},
		{"format/slash", "A slash at the end of a path makes no other path.", false, "Tautulli, PlexAPI", Read, slashAtEnd},
		{"format/query", "Token and client identifier count as parameters of the query, too.", false, "authentik, older SDKs", Seen, identityInQuery},
		{"format/empty-token", "An empty token counts as none.", false, "PlexAPI", Seen, emptyToken},
		{"format/cors", "A browser may send X-Plex-* headers from any site, and read the answer.", false, "Overseerr, Tautulli, authentik", Read, cors},
		{"format/unknown-path", "A path that does not exist is 404.", false, "clients that try a newer path first", Inferred, unknownPath},
	}
}

func xmlByDefault(ctx context.Context, p *probe) error {
	for _, accept := range []string{"none", "*/*"} {
		a, err := p.want(ctx, request{path: "/api/v2/ping", client: p.newClient()}.in(accept), http.StatusOK)
		if err != nil {
			return err
		}
		if err := a.isXML(); err != nil {
			return err
		}
		a, err = p.want(ctx, request{media: true, path: "/identity"}.in(accept), http.StatusOK)
		if err != nil {
			return err
		}
		if err := a.isXML(); err != nil {
			return err
		}
	}
	return nil
}

func jsonExactly(ctx context.Context, p *probe) error {
	for _, r := range []request{{path: "/api/v2/ping"}, {path: "/identity", media: true}} {
		a, err := p.want(ctx, r, http.StatusOK)
		if err != nil {
			return err
		}
		if a.header.Get("Content-Type") != "application/json" {
			return a.errorf("Content-Type is not exactly application/json")
		}
		if err := a.isJSON(); err != nil {
			return err
		}
	}
	return nil
}

func suffixDecides(ctx context.Context, p *probe) error {
	a, err := p.want(ctx, request{path: "/api/v2/ping.json"}.in("application/xml"), http.StatusOK)
	if err != nil {
		return err
	}
	if err := a.hasPong(); err != nil {
		return err
	}
	if a, err = p.want(ctx, request{path: "/api/v2/ping.xml"}, http.StatusOK); err != nil {
		return err
	}
	return a.isXML()
}

func acceptsIsNotAccept(ctx context.Context, p *probe) error {
	a, err := p.want(ctx, request{path: "/identity", media: true}.with("accepts", "application/xml"), http.StatusOK)
	if err != nil {
		return err
	}
	return a.isJSON()
}

func errorFormats(ctx context.Context, p *probe) error {
	r := p.nobody().ask("GET", "/api/v2/user")
	for _, format := range []string{"application/json", "application/xml"} {
		a, err := p.want(ctx, r.in(format), http.StatusUnauthorized)
		if err != nil {
			return err
		}
		if err := choose(format == "application/json", a.isJSON, a.isXML)(); err != nil {
			return err
		}
		if err := a.hasCode(1001); err != nil {
			return err
		}
	}
	return nil
}

func version1IsXML(ctx context.Context, p *probe) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	for _, path := range []string{"/users/account", "/api/home/users", "/api/users"} {
		a, err := p.want(ctx, d.ask("GET", path), http.StatusOK)
		if err != nil {
			return err
		}
		if err := a.isXML(); err != nil {
			return err
		}
	}
	return nil
}

func xmlBooleans(ctx context.Context, p *probe) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	a, err := p.want(ctx, d.ask("GET", "/api/v2/user").in("none"), http.StatusOK)
	if err != nil {
		return err
	}
	root, err := a.element()
	if err != nil {
		return err
	}
	for _, name := range strings.Fields("confirmed emailOnlyAuth hasPassword protected restricted home guest homeAdmin experimentalFeatures twoFactorEnabled") {
		if value, ok := root.attrs[name]; ok && value != "0" && value != "1" {
			return a.errorf("the attribute %s is neither 0 nor 1", name)
		}
	}
	return nil
}

func slashAtEnd(ctx context.Context, p *probe) error {
	a, err := p.want(ctx, request{path: "/api/v2/ping/", client: p.newClient()}, http.StatusOK)
	if err != nil {
		return err
	}
	return a.hasPong()
}

func identityInQuery(ctx context.Context, p *probe) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	_, err = p.want(ctx, request{path: "/api/v2/user", query: url.Values{
		"X-Plex-Token": {string(d.token)}, "X-Plex-Client-Identifier": {d.client},
	}}, http.StatusOK)
	return err
}

func emptyToken(ctx context.Context, p *probe) error {
	_, err := p.want(ctx, request{path: "/api/v2/ping", client: p.newClient()}.with("X-Plex-Token", ""), http.StatusOK)
	return err
}

func cors(ctx context.Context, p *probe) error {
	const headers = "x-plex-client-identifier,x-plex-product,x-plex-token,accept,content-type"
	preflight := request{method: "OPTIONS", path: "/api/v2/pins", header: map[string]string{
		"Origin": "https://example.org", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": headers,
	}}
	a, err := p.want(ctx, preflight, http.StatusOK, http.StatusNoContent)
	if err != nil {
		return err
	}
	allowed := ","
	for name := range strings.SplitSeq(strings.ToLower(a.header.Get("Access-Control-Allow-Headers")), ",") {
		allowed += strings.TrimSpace(name) + ","
	}
	for name := range strings.SplitSeq(headers, ",") {
		if !strings.Contains(allowed, ","+name+",") && !strings.Contains(allowed, ",*,") {
			return a.errorf("the header %s is not allowed", name)
		}
	}
	if a, err = p.want(ctx, request{path: "/api/v2/ping"}.with("Origin", "https://example.org"), http.StatusOK); err != nil {
		return err
	}
	if origin := a.header.Get("Access-Control-Allow-Origin"); origin != "*" && origin != "https://example.org" {
		return a.errorf("another site may not read it")
	}
	return nil
}

func unknownPath(ctx context.Context, p *probe) error {
	return p.refused(ctx, request{path: "/api/v2/no-such-path-" + p.run, client: p.newClient()}, 0, http.StatusNotFound)
}
