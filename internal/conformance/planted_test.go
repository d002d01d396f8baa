package conformance_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// exchange is a request and its answer, which a planted fault changes.
type exchange struct {
	r       *http.Request
	sent    string // the body of the request
	status  int
	header  http.Header
	body    string
	deleted bool // DELETE was asked for earlier in the run
	earlier int  // how many requests of this kind there were
}

// edit breaks an answer. It returns whether it has.
type edit func(*exchange) bool

// plant is a fault: the matching requests ("METHOD path", a regular expression), and the
// change of the answer.
type plant struct {
	asked string
	edit  edit
	drop  bool // the request does not reach the server
}

// planted is a server with a fault, as a client sees it.
type planted struct {
	plants  []plant
	next    http.RoundTripper
	seen    map[string]int
	deleted bool
	broke   bool     // an answer was changed
	secrets []string // tokens that went by
}

// anyToken finds tokens in answers.
var anyToken = regexp.MustCompile(`(?i)token"?[:=]"([^"]{12,})"`)

func (p *planted) RoundTrip(r *http.Request) (*http.Response, error) {
	x := &exchange{r: r, deleted: p.deleted}
	if r.Body != nil {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		x.sent = string(text)
		r.Body = io.NopCloser(bytes.NewReader(text))
	}
	what := r.Method + " " + r.URL.Path
	x.earlier = p.seen[what]
	p.seen[what]++
	p.deleted = p.deleted || r.Method == http.MethodDelete
	if token := r.Header.Get("X-Plex-Token"); token != "" {
		p.secrets = append(p.secrets, token)
	}
	if err := p.ask(x, what); err != nil {
		return nil, err
	}
	for _, found := range anyToken.FindAllStringSubmatch(x.body, -1) {
		p.secrets = append(p.secrets, found[1])
	}
	for _, f := range p.plants {
		if matches(f.asked, what) && f.edit != nil && f.edit(x) {
			p.broke = true
		}
	}
	x.header.Del("Content-Length")
	return &http.Response{
		StatusCode: x.status, Header: x.header, Body: io.NopCloser(strings.NewReader(x.body)), Request: r,
		ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(x.body)),
	}, nil
}

// ask gets the answer of the server, unless a fault keeps the request from it.
func (p *planted) ask(x *exchange, what string) error {
	for _, f := range p.plants {
		if f.drop && matches(f.asked, what) {
			x.status, x.header, p.broke = http.StatusNoContent, http.Header{}, true
			return nil
		}
	}
	res, err := p.next.RoundTrip(x.r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	x.status, x.header, x.body = res.StatusCode, res.Header, string(text)
	return err
}

// matches reports whether a fault applies to a request.
func matches(asked, what string) bool {
	return regexp.MustCompile("^" + asked + "$").MatchString(what)
}

// The edits of answers.

func status(code int) edit {
	return func(x *exchange) bool { x.status = code; return true }
}

// from changes one status into another one.
func from(code, to int) edit {
	return func(x *exchange) bool {
		if x.status != code {
			return false
		}
		x.status = to
		return true
	}
}

// text replaces the matches of a regular expression in the body.
func text(old, to string) edit {
	re := regexp.MustCompile(old)
	return func(x *exchange) bool {
		before := x.body
		x.body = re.ReplaceAllString(x.body, to)
		return x.body != before
	}
}

func code(old, to int) edit {
	return text(`(code"?[:=]"?)`+strconv.Itoa(old), "${1}"+strconv.Itoa(to))
}

func head(name, value string) edit {
	return func(x *exchange) bool { x.header.Set(name, value); return true }
}

func whole(status int, kind, body string) edit {
	return func(x *exchange) bool {
		x.status, x.body = status, body
		x.header.Set("Content-Type", kind)
		return true
	}
}

// when edits only if a condition holds.
func when(cond func(*exchange) bool, do edit) edit {
	return func(x *exchange) bool { return cond(x) && do(x) }
}

// The conditions.

func later(x *exchange) bool       { return x.earlier > 0 }
func afterDelete(x *exchange) bool { return x.deleted }

func sends(part string) func(*exchange) bool {
	return func(x *exchange) bool { return strings.Contains(x.sent+"?"+x.r.URL.RawQuery, part) }
}

func lacks(name string) func(*exchange) bool {
	return func(x *exchange) bool { return x.r.Header.Get(name) == "" }
}

func has(name, part string) func(*exchange) bool {
	return func(x *exchange) bool { return strings.Contains(x.r.Header.Get(name), part) }
}

// proves reports whether a part of a device's JWT has a text.
func proves(part, has string) func(*exchange) bool {
	return func(x *exchange) bool {
		parts := strings.Split(x.sent, ".")
		if len(parts) != 3 {
			return false
		}
		at := parts[0][strings.LastIndex(parts[0], `"`)+1:]
		if part == "claims" {
			at = parts[1]
		}
		text, err := base64.RawURLEncoding.DecodeString(at)
		return err == nil && strings.Contains(string(text), has)
	}
}

func lacksNonce(x *exchange) bool { return !proves("claims", `"nonce"`)(x) }

// one is a fault of one kind of request.
func one(asked string, e edit) []plant { return []plant{{asked: asked, edit: e}} }

// lost is a fault of requests that do nothing, and are answered by 204.
func lost(asked string) []plant { return []plant{{asked: asked, drop: true}} }

const (
	signIn   = `POST /api/v2/users/signin`
	signOff  = `DELETE /api/v2/users/signout`
	details  = `GET /api/v2/user`
	ping     = `GET /api/v2/ping`
	ways     = `GET /api/v2/resources`
	mint     = `(GET|POST) /security/token`
	connect  = `GET /security/resources`
	start    = `POST /api/v2/pins`
	poll     = `GET /api/v2/pins/\d+`
	link     = `PUT /api/v2/pins/link`
	family   = `GET /api/v2/home/users`
	becomeV1 = `POST /api/home/users/\d+/switch`
	become   = `POST /api/v2/home/users/[^/]+/switch`
	swap     = `POST /api/v2/auth/token`
	keys     = `GET /api/v2/auth/keys`
	noClient = "X-Plex-Client-Identifier"
)

// faults are the faults that are planted, by the check that must find each.
var faults = []struct {
	check string
	// name describes the fault of the server.
	name   string
	plants []plant
}{
	{"sign-in/created", "200 for a sign-in", one(signIn, from(201, 200))},
	{"sign-in/created", "a token that does not work", one(signIn, text(`"authToken":"[^"]*"`, `"authToken":"aTokenThatDoesNotWork"`))},
	{"sign-in/created", "no token", one(signIn, text(`"authToken":"[^"]*"`, `"authToken":""`))},
	{"sign-in/wrong-password", "another code", one(signIn, code(1001, 1002))},
	{"sign-in/wrong-password", "403 for a wrong password", one(signIn, from(401, 403))},
	{"sign-in/unknown-login", "a text that tells who exists", one(signIn, when(sends("login=nobody-"), text(`"message":"`, `"message":"Nobody. `)))},
	{"sign-in/unknown-login", "404 for an unknown login", one(signIn, when(sends("login=nobody-"), status(404)))},
	{"sign-in/needs-client", "401 without a client identifier", one(signIn, when(lacks(noClient), status(401)))},
	{"sign-in/needs-client", "another code", one(signIn, code(1000, 1001))},
	{"sign-in/version-1", "200 for a sign-in", one(`POST /users/sign_in.xml`, from(201, 200))},
	{"sign-in/version-1", "no token", one(`POST /users/sign_in.xml`, text(`authenticationToken=`, `auth=`))},
	{"sign-in/sign-out", "200 for a sign-out", one(signOff, from(204, 200))},
	{"sign-in/sign-out", "a sign-out that does nothing", lost(signOff)},
	{"sign-in/sign-out-alone", "a sign-out of all devices", one(details, when(afterDelete, status(401)))},

	{"account/fields", "a key is missing", one(details, text(`"trials":\[\],`, ``))},
	{"account/fields", "a boolean is a number", one(details, text(`"confirmed":(true|false)`, `"confirmed":1`))},
	{"account/fields", "a list is null", one(details, text(`"roles":\[\]`, `"roles":null`))},
	{"account/fields", "the profile lacks a key", one(details, text(`"defaultSubtitleForced":0,`, ``))},
	{"account/fields", "no JSON", one(details, text(`}$`, ``))},
	{"account/fields", "JSON and more", one(details, text(`}$`, `}}`))},
	{"account/fields", "no type", one(details, func(x *exchange) bool { x.header.Del("Content-Type"); return true })},
	{"account/own-token", "another token", one(details, text(`"authToken":"[^"]*"`, `"authToken":"aTokenOfSomebodyElse"`))},
	{"account/no-token", "an account for nobody", one(details, from(401, 200))},
	{"account/no-token", "another code", one(details, code(1001, 401))},
	{"account/bad-token", "an account for any token", one(details, from(401, 200))},
	{"account/bad-token", "another code", one(details, code(1001, 401))},
	{"account/version-1", "the email is null", one(`GET /users/account.json`, text(`"email":"[^"]*"`, `"email":null`))},
	{"account/version-1-bad-token", "404 for an unknown token", one(`GET /users/account`, status(404))},
	{"account/ping", "pong is a text", one(ping, text(`"pong":true`, `"pong":"true"`))},
	{"account/ping", "a ping needs a token", one(ping, status(401))},
	{"account/ping-bad-token", "403 for an unknown token", one(ping, from(401, 403))},
	{"resources/fields", "a boolean is a number", one(ways, text(`"presence":true`, `"presence":1`))},
	{"resources/fields", "a port is a text", one(ways, text(`"port":(\d+)`, `"port":"$1"`))},
	{"resources/needs-token", "servers for nobody", one(ways, from(401, 200))},
	{"resources/needs-token", "a page for nobody", one(ways, when(func(x *exchange) bool { return x.status == 401 }, whole(401, "text/html", "<p>Unauthorized")))},
	{"resources/needs-token", "no error for nobody", one(ways, text(`"errors":\[.*\]`, `"errors":[]`))},
	{"resources/needs-token", "servers for any token", one(ways, when(has("X-Plex-Token", "noToken"), status(200)))},
	{"resources/version-1", "XML and more", one(`GET /api/resources`, text(`$`, `more`))},
	{"resources/version-1", "XML as HTML", one(`GET /api/resources`, head("Content-Type", "text/html"))},
	{"resources/version-1", "JSON", one(`GET /api/resources`, whole(200, "application/json", "[]"))},
	{"resources/version-1", "an attribute is missing", one(`GET /api/resources`, text(`provides="[^"]*"`, ``))},

	{"transient/token", "another key", one(mint, text(`"token":`, `"transientToken":`))},
	{"transient/token", "a token that does not work", one(`GET /`, when(has("X-Plex-Token", "transient-"), status(401)))},
	{"transient/post", "POST is refused", one(`POST /security/token`, status(405))},
	{"transient/parameters", "another scope is taken", one(mint, from(400, 200))},
	{"transient/needs-token", "a token for nobody", one(mint, from(401, 200))},
	{"transient/needs-token", "a token for no token", one(mint, when(lacks("X-Plex-Token"), status(200)))},
	{"transient/ends", "the token outlives its parent", lost(signOff)},
	{"source/device", "a list of devices", one(connect, text(`"Device":(\{.*\})\}`, `"Device":[$1]}`))},
	{"source/device", "no connections", one(connect, text(`"Connection":`, `"Connections":`))},
	{"source/transient", "transient tokens are refused", one(connect, when(has("X-Plex-Token", "transient-"), status(403)))},
	{"source/malformed", "404 for a malformed source", one(connect, from(400, 404))},
	{"source/needs-token", "a source for nobody", one(connect, from(401, 200))},
	{"source/needs-token", "a source for any token", one(connect, when(has("X-Plex-Token", "noToken"), status(200)))},
	{"source/needs-admin", "a source for everybody", one(connect, from(403, 200))},
	{"media/identity", "no machineIdentifier", one(`GET /identity`, text(`"machineIdentifier":"[^"]*"`, `"machineIdentifier":""`))},
	{"media/identity", "a token is needed", one(`GET /identity`, status(401))},
	{"media/root", "the server is open", one(`GET /`, from(401, 200))},
	{"media/root", "the server is open for any token", one(`GET /`, when(has("X-Plex-Token", "noToken"), status(200)))},
	{"media/root", "another identifier", one(`GET /`, text(`"machineIdentifier":"[^"]*"`, `"machineIdentifier":"other"`))},

	{"format/xml-by-default", "JSON without Accept", one(ping, when(lacks("Accept"), whole(200, "application/json", `{"pong":true}`)))},
	{"format/xml-by-default", "JSON for */*", one(`GET /identity`, when(has("Accept", "*/*"), whole(200, "application/json", `{}`)))},
	{"format/xml-by-default", "broken XML", one(ping, text(`</pong>`, ``))},
	{"format/json", "a charset", one(ping, head("Content-Type", "application/json; charset=utf-8"))},
	{"format/json", "XML on the media plane", one(`GET /identity`, whole(200, "application/xml", `<MediaContainer/>`))},
	{"format/suffix", "null", one(`GET /api/v2/ping.json`, text(`.*`, `null`))},
	{"format/slash", "a page", one(`GET /api/v2/ping/`, whole(200, "text/html", "<p>Hello"))},
	{"format/suffix", "Accept beats .json", one(`GET /api/v2/ping.json`, whole(200, "application/xml", `<pong>true</pong>`))},
	{"format/suffix", "Accept beats .xml", one(`GET /api/v2/ping.xml`, whole(200, "application/json", `{"pong":true}`))},
	{"format/accepts", "accepts is taken for Accept", one(`GET /identity`, when(has("accepts", "xml"), whole(200, "application/xml", `<MediaContainer/>`)))},
	{"format/errors", "errors are HTML", one(details, head("Content-Type", "text/html"))},
	{"format/errors", "XML errors lack the code", one(details, text(`code="1001"`, ``))},
	{"format/version-1", "JSON for version 1", one(`GET /api/users`, whole(200, "application/json", `{}`))},
	{"format/booleans", "an empty boolean", one(details, text(`confirmed="[01]"`, `confirmed=""`))},
	{"format/slash", "a slash is another path", one(`GET /api/v2/ping/`, status(404))},
	{"format/query", "the query does not count", one(details, when(sends("X-Plex-Token="), status(401)))},
	{"format/empty-token", "an empty token is a bad one", one(ping, when(func(x *exchange) bool { return len(x.r.Header["X-Plex-Token"]) > 0 }, status(401)))},
	{"format/cors", "no header is allowed", one(`OPTIONS .*`, head("Access-Control-Allow-Headers", "Accept"))},
	{"format/cors", "no site is allowed", one(ping, head("Access-Control-Allow-Origin", ""))},
	{"format/unknown-path", "200 for every path", one(`GET /api/v2/no-such-path-.*`, status(200))},

	{"pins/weak", "small letters", one(start, text(`"code":"[A-Z0-9]{4}"`, `"code":"abcd"`))},
	{"pins/weak", "200 for a new PIN", one(start, from(201, 200))},
	{"pins/strong", "a short code", one(start, text(`"code":"[A-Za-z0-9]{20,}"`, `"code":"ABCD"`))},
	{"pins/fields", "the token is an empty text", one(start, text(`"authToken":null`, `"authToken":""`))},
	{"pins/fields", "a boolean is a number", one(start, text(`"trusted":false`, `"trusted":0`))},
	{"pins/fields", "a number of 40 bits", one(start, text(`"id":\d+`, `"id":1000000000000`))},
	{"pins/fields", "another client", one(start, text(`"clientIdentifier":"[^"]*"`, `"clientIdentifier":"other"`))},
	{"pins/expiry", "a PIN that has expired", one(start, text(`"expiresIn":\d+`, `"expiresIn":0`))},
	{"pins/expiry", "a PIN for a day", one(start, text(`"expiresIn":\d+`, `"expiresIn":86400`))},
	{"pins/expiry", "two lives", one(start, text(`"expiresIn":\d+`, `"expiresIn":60`))},
	{"pins/expiry", "a time of another form", one(start, text(`"expiresAt":"[^"]*"`, `"expiresAt":"tomorrow"`))},
	{"pins/needs-client", "a PIN for nobody", one(start, from(400, 201))},
	{"pins/needs-client", "another code", one(start, code(1000, 400))},
	{"pins/xml", "no authToken", one(start, text(`authToken=""`, ``))},
	{"pins/xml", "another root", one(start, text(`<(/?)pin\b`, `<${1}PIN`))},
	{"pins/version-1", "no code", one(`POST /pins.xml`, text(`<(/?)code>`, `<${1}kode>`))},
	{"pins/distinct", "the same code for all", one(start, text(`"code":"[^"]*"`, `"code":"abcdefghijklmnopqrstuvwxy"`))},
	{"pins/distinct", "the same number for all", one(start, text(`"id":\d+`, `"id":7`))},
	{"pins/poll", "the PIN is gone", one(poll, status(404))},
	{"pins/poll", "another code", one(poll, text(`"code":"[^"]*"`, `"code":"ABCD"`))},
	{"pins/poll", "a token for nothing", one(poll, text(`"authToken":null`, `"authToken":"aTokenOfSomebodyElse"`))},
	{"pins/unknown", "400 for an unknown PIN", one(poll, from(404, 400))},
	{"pins/unknown", "another code", one(poll, code(1020, 404))},
	{"pins/link", "200 for a link", one(link, from(204, 200))},
	{"pins/link", "links do nothing", lost(link)},
	{"pins/link", "another token at each poll", one(poll, when(later, text(`"authToken":"[^"]*"`, `"authToken":"anotherTokenEachTime"`)))},
	{"pins/link-needs-token", "everybody links", one(link, from(401, 204))},
	{"pins/link-once", "a code is linked again", one(link, when(later, status(204)))},

	{"home/users", "a key is missing", one(family, text(`"protected":(true|false),`, ``))},
	{"home/users", "without the account", one(family, text(`"id":\d+`, `"id":99999`))},
	{"home/needs-token", "users for nobody", one(family, from(401, 200))},
	{"home/needs-token", "users for any token", one(family, when(has("X-Plex-Token", "noToken"), status(200)))},
	{"home/version-1", "an attribute is missing", one(`GET /api/home/users`, text(`title="`, `name="`))},
	{"home/version-1", "nobody", one(`GET /api/home/users`, whole(200, "application/xml", `<MediaContainer/>`))},
	{"home/switch", "200 for a switch", one(become, from(201, 200))},
	{"home/switch", "the account's own token", one(become, func(x *exchange) bool {
		return text(`"authToken":"[^"]*"`, `"authToken":"`+x.r.Header.Get("X-Plex-Token")+`"`)(x)
	})},
	{"home/switch-version-1", "no token", one(`POST /api/home/users/\d+/switch`, text(`authenticationToken=`, `auth=`))},
	{"home/outsider", "a token of anybody", one(become, from(404, 201))},
	{"home/right-pin", "the right PIN is refused", one(become, status(403))},
	{"home/wrong-pin", "any PIN is taken from the owner", one(become, from(403, 201))},
	{"home/wrong-pin", "any PIN is taken in version 1", one(becomeV1, when(sends("?pin="), status(201)))},
	{"home/wrong-pin", "another code", one(become, code(1041, 403))},

	{"jwt/keys", "a private key", one(keys, text(`"kty":`, `"d":"x","kty":`))},
	{"jwt/keys", "no kid", one(keys, text(`"kid":"[^"]*"`, `"id":""`))},
	{"jwt/keys", "no key", one(keys, whole(200, "application/json", `{"keys":[]}`))},
	{"jwt/nonce", "always the same", one(`GET /api/v2/auth/nonce`, text(`"nonce":"[^"]*"`, `"nonce":"always-the-same"`))},
	{"jwt/nonce-needs-client", "a nonce for nobody", one(`GET /api/v2/auth/nonce`, from(422, 200))},
	{"jwt/exchange", "other keys are published", one(keys, text(`"x":"[^"]*"`, `"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`))},
	{"jwt/exchange", "no JWT", one(swap, text(`"auth_token":"[^"]*"`, `"auth_token":"anOpaqueTokenOfYesterday"`))},
	{"jwt/works", "the JWT is no token", one(details, status(401))},
	{"jwt/replaces-token", "the token stays", one(details, from(401, 200))},
	{"jwt/nonce-once", "a nonce is taken twice", one(swap, from(422, 200))},
	{"jwt/forged", "signatures are not checked", one(swap, from(422, 200))},
	{"jwt/unsigned", "none is an algorithm", one(swap, status(200))},
	{"jwt/audience", "any audience", one(swap, status(200))},
	{"jwt/issuer", "any issuer", one(swap, status(200))},
	{"jwt/expired", "expiry is not checked", one(swap, status(200))},
	{"jwt/confused", "HS256 with the public key", one(swap, when(proves("header", `"alg":"HS256"`), status(200)))},
	{"jwt/unknown-key", "the key of another device", one(swap, from(422, 200))},
	{"jwt/key-once", "a key of two devices", one(`POST /api/v2/auth/jwk`, from(422, 201))},
	{"jwt/foreign-nonce", "no nonce is needed", one(swap, when(lacksNonce, status(200)))},
	{"jwt/foreign-nonce", "any nonce", one(swap, from(422, 200))},
	{"jwt/early", "nbf is not checked", one(swap, when(proves("claims", `"nbf"`), status(200)))},
	{"jwt/early", "iat is not checked", one(swap, from(400, 200))},
	{"jwt/altered", "claims are believed", one(details, from(401, 200))},
	{"jwt/revoked", "the JWT goes on", lost(signOff)},

	{"security/cve-2025-69414", "a lasting token", one(`GET /myplex/account`, text(`"username":`, `"authToken":"aLastingTokenOfAnOwner","username":`))},
	{"security/cve-2025-69415", "a dead device is let in", one(`GET /myplex/account`, when(afterDelete, status(200)))},
	{"security/cve-2025-69415", "a sign-out that does nothing", lost(signOff)},
	{"security/cve-2025-69416", "tokens of all devices", one(`GET /devices.xml`, text(`token="[^"]*"`, `token="aTokenOfAnotherDevice"`))},
	{"security/cve-2025-69417", "tokens of all shares", one(`GET /api/servers/[^/]+/shared_servers`,
		whole(200, "application/xml", `<MediaContainer><SharedServer accessToken="aTokenOfSomebodyElse"/></MediaContainer>`))},
	{"security/pin-hijack", "a PIN for everybody", one(poll, from(404, 200))},
	{"security/pin-hijack", "a linked PIN for everybody", []plant{
		{asked: poll, edit: func(x *exchange) bool { return x.earlier > 0 && from(404, 200)(x) }},
	}},
	{"security/pin-hijack", "a PIN for everybody in version 1", one(`GET /pins/\d+.xml`, status(200))},
	{"security/pin-fixation", "a link by a token", one(link, from(403, 204))},
	{"security/pin-fixation", "a token without the proof", one(poll, text(`"authToken":null`, `"authToken":"aTokenWithoutTheProof"`))},
	{"security/transient-links-nothing", "transient tokens link", one(link, from(403, 204))},
	{"security/home-pin-fail-open", "no PIN is needed", one(become, when(sends("?"), from(403, 201)))},
	{"security/home-pin-fail-open", "an empty PIN is taken", one(become, when(func(x *exchange) bool { return x.r.URL.RawQuery == "pin=" }, status(201)))},
	{"security/home-pin-fail-open", "a list of PINs is taken", one(become, when(sends("pin%5B%5D"), status(201)))},
	{"security/home-pin-fail-open", "no PIN is needed in version 1", one(becomeV1, status(201))},
	{"security/home-lists", "a token of everybody", one(family, text(`"uuid":`, `"authToken":"aTokenOfSomebodyElse","uuid":`))},
	{"security/home-lists", "a token in version 1", one(`GET /api/home/users`, text(`<User `, `<User token="aTokenOfSomebodyElse" `))},
	{"security/token-in-url", "a token in the picture", one(details, text(`("thumb":"[^"?]*)(\?[^"]*)?"`, `$1?X-Plex-Token=x"`))},
	{"security/token-in-url", "a password in a connection", one(ways, text(`"uri":"http://`, `"uri":"http://me:secret@`))},
	{"security/token-in-url", "a token in Location", one(ways, head("Location", "/?X-Plex-Token=x"))},
	{"security/token-in-url", "the token of the request in a link", one(ways, func(x *exchange) bool {
		x.header.Set("Link", "</"+x.r.Header.Get("X-Plex-Token")+">; rel=next")
		return true
	})},
	{"security/error-echo", "the token in an error", one(details, func(x *exchange) bool {
		x.body += x.r.Header.Get("X-Plex-Token")
		return true
	})},
	{"security/error-echo", "the query in a header", one(details, when(sends("X-Plex-Token="), func(x *exchange) bool {
		x.header.Set("X-Path", x.r.URL.RawQuery)
		return true
	}))},

	{"guessing/link-code", "codes without end", one(link, from(429, 404))},
	{"guessing/home-pin", "PINs without end", one(become, from(429, 403))},
	{"guessing/home-pin", "the right PIN ends the wait", one(become, when(sends("pin=2749"), status(201)))},
	{"guessing/password", "passwords without end", one(signIn, code(1031, 1001))},
}
