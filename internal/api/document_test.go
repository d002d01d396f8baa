package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/api"
	"github.com/usher-auth/usher/internal/friend"
	"github.com/usher-auth/usher/internal/httpd"
	"github.com/usher-auth/usher/plexauth"
)

// The document has an operation for every route, and a route for every operation.
// Each states the required permission, and the parameters of its path.
func TestDocumentHasTheRoutes(t *testing.T) {
	d := readDocument(t)
	operations := d.operations()
	ids := make(map[string]bool)
	for _, row := range api.Rows() {
		o := operations[row.Path][row.Method]
		if o == nil {
			t.Errorf("%s %s is not in api/openapi.yaml: add the operation, with its statuses and an example, "+
				"and a case for each status of its own to TestDocumentedStatuses", row.Method, row.Path)
			continue
		}
		delete(operations[row.Path], row.Method)
		for _, problem := range d.problems(row, o) {
			t.Errorf("%s %s in api/openapi.yaml: %s", row.Method, row.Path, problem)
		}
		if id := fmt.Sprint(o["operationId"]); ids[id] {
			t.Errorf("there are two operations %s", id)
		} else {
			ids[id] = true
		}
	}
	for _, row := range api.AdminRows() {
		o := operations[row.Path][row.Method]
		if o == nil {
			t.Errorf("%s %s is not in api/openapi.yaml: add the operation, and a step for each status of its own to adminSteps", row.Method, row.Path)
			continue
		}
		delete(operations[row.Path], row.Method)
		for _, problem := range d.adminProblems(row, o) {
			t.Errorf("%s %s in api/openapi.yaml: %s", row.Method, row.Path, problem)
		}
		if id := fmt.Sprint(o["operationId"]); ids[id] {
			t.Errorf("there are two operations %s", id)
		} else {
			ids[id] = true
		}
	}
	for path, methods := range operations {
		for method := range methods {
			t.Errorf("%s %s is in api/openapi.yaml, but there is no such route", method, path)
		}
	}
}

// problems lists the differences between an operation and its route.
func (d *apiDocument) problems(row api.Row, o map[string]any) (list []string) {
	problem := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if o["x-caller"] != row.Caller {
		problem("x-caller is %v, and the route's is %s", o["x-caller"], row.Caller)
	}
	security, _ := json.Marshal(o["security"])
	want := `[]`
	switch {
	case row.Token:
		want = `[{"Token":[]}]`
	case row.Checked:
		want = `[{},{"Token":[]}]`
	case row.Path == "/users/sign_in":
		want = `[{},{"Basic":[]}]`
	}
	if string(security) != want {
		problem("security is %s, want %s", security, want)
	}
	var inPath []string
	identified := false
	parameters, _ := o["parameters"].([]any)
	for _, p := range parameters {
		p := d.resolve(p)
		if p["in"] == "path" {
			inPath = append(inPath, fmt.Sprintf("{%v}", p["name"]))
		}
		identified = identified || p["name"] == "X-Plex-Client-Identifier" && p["required"] == true
	}
	if wildcards := regexp.MustCompile(`\{\w+\}`).FindAllString(row.Path, -1); !slices.Equal(inPath, wildcards) {
		problem("the parameters in the path are %v", inPath)
	}
	if identified != (row.Caller == "client") {
		problem("whether X-Plex-Client-Identifier is required is %v", identified)
	}
	tags, _ := json.Marshal(o["tags"])
	if tag := string(tags); (tag == `["Media server"]`) != (row.Plane == "media") || (tag == `["Both planes"]`) != (row.Plane == "both") {
		problem("it is of the %s plane, and has the tags %s", row.Plane, tag)
	}
	responses, _ := o["responses"].(map[string]any)
	if responses["415"] != nil != row.Body {
		problem("whether there is status 415 is %v, and whether the route reads a body %v", responses["415"] != nil, row.Body)
	}
	if o["requestBody"] != nil && !row.Body {
		problem("the route reads no body")
	}
	if summary, _ := o["summary"].(string); summary == "" {
		problem("there is no summary")
	}
	for status, r := range responses {
		for media, c := range contentOf(d.resolve(r)) {
			if isText(media) && c["example"] == nil && c["examples"] == nil {
				problem("status %s has no example of %s", status, media)
			}
			if media == "application/xml" && row.JSONOnly && status < "400" {
				problem("the route answers JSON only")
			}
		}
	}
	if body := d.resolve(o["requestBody"]); body != nil {
		for media, c := range contentOf(body) {
			if c["example"] == nil && media != "application/x-www-form-urlencoded" {
				problem("the body has no example of %s", media)
			}
		}
	}
	return list
}

// adminProblems lists the differences between an operation and its route of the admin API.
func (d *apiDocument) adminProblems(row api.AdminRow, o map[string]any) (list []string) {
	problem := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	security, _ := json.Marshal(o["security"])
	if want := fmt.Sprintf(`[{"AdminKey":[%q]}]`, row.Scope); string(security) != want || o["x-caller"] != "admin-key" {
		problem("x-caller is %v and security is %s, want %s", o["x-caller"], security, want)
	}
	var inPath, inQuery []string
	parameters, _ := o["parameters"].([]any)
	for _, p := range parameters {
		switch p := d.resolve(p); p["in"] {
		case "path":
			inPath = append(inPath, fmt.Sprintf("{%v}", p["name"]))
		case "query":
			inQuery = append(inQuery, fmt.Sprint(p["name"]))
		}
	}
	query := slices.Sorted(slices.Values(row.Query))
	if slices.Sort(inQuery); !slices.Equal(inQuery, query) {
		problem("the parameters in the query are %v, want %v", inQuery, query)
	}
	if wildcards := regexp.MustCompile(`\{\w+\}`).FindAllString(row.Path, -1); !slices.Equal(inPath, wildcards) {
		problem("the parameters in the path are %v", inPath)
	}
	if (o["requestBody"] != nil) != row.Body {
		problem("whether it has a body is %v, and whether the route reads one %v", o["requestBody"] != nil, row.Body)
	}
	if summary, _ := o["summary"].(string); summary == "" {
		problem("there is no summary")
	}
	for status, r := range o["responses"].(map[string]any) {
		for media, c := range contentOf(d.resolve(r)) {
			if c["example"] == nil || (media == "application/problem+json") != (status >= "4") {
				problem("status %s has no example of %s, or should not have it", status, media)
			}
		}
	}
	return list
}

func contentOf(v map[string]any) map[string]map[string]any {
	all := make(map[string]map[string]any)
	content, _ := v["content"].(map[string]any)
	for media, c := range content {
		all[media] = c.(map[string]any)
	}
	return all
}

func isText(media string) bool {
	return media == "application/json" || media == "application/xml" || media == "text/plain"
}

// Every example fits its schema.
func TestExamplesFitTheDocument(t *testing.T) {
	d := readDocument(t)
	examples := 0
	check := func(p pointer) {
		media, _ := d.at(p)
		example, ok := media["example"]
		if !ok {
			e, _ := d.at(p.then("examples", "default"))
			example = e["value"]
		}
		if example == nil {
			return
		}
		examples++
		text, isXML := example.(string)
		if !isXML {
			encoded, err := json.Marshal(example)
			if err != nil {
				t.Fatal(err)
			}
			text = string(encoded)
		}
		kind := p[len(p)-1]
		if kind == "application/x-www-form-urlencoded" {
			kind = "application/json" // the form as an object
		}
		if err := d.validate(p.then("schema"), kind, []byte(text)); err != nil {
			t.Errorf("the example at %v: %v", p, err)
		}
	}
	for path, methods := range d.operations() {
		for method, o := range methods {
			at := pointer{"paths", path, strings.ToLower(method)}
			for media := range contentOf(d.resolve(o["requestBody"])) {
				check(at.then("requestBody", "content", media))
			}
			for status, r := range o["responses"].(map[string]any) {
				for media := range contentOf(d.resolve(r)) {
					check(at.then("responses", status, "content", media))
				}
			}
		}
	}
	if examples < 100 {
		t.Errorf("only %d examples were found", examples)
	}
}

// goldens maps the goldens of package wire to the operations whose answers they are, by the
// beginning of their names.
var goldens = map[string]struct {
	method, path string
	status       int
}{
	"account":           {"GET", "/api/v2/user", 200},
	"claim-error":       {"GET", "/api/claim/token", 401},
	"devices":           {"GET", "/devices", 200},
	"error":             {"GET", "/api/v2/user", 401},
	"friend":            {"POST", "/api/v2/friends/{id}/accept", 200},
	"friends":           {"GET", "/api/v2/friends", 200},
	"home":              {"GET", "/api/v2/home", 200},
	"home-user":         {"POST", "/api/v2/home/users", 200},
	"home-users":        {"GET", "/api/v2/home/users", 200},
	"identity":          {"GET", "/identity", 200},
	"invites-received":  {"GET", "/api/v2/shared_servers/invites/received/pending", 200},
	"legacy-account":    {"GET", "/users/account", 200},
	"legacy-error":      {"GET", "/users/account", 422},
	"legacy-home-users": {"GET", "/api/home/users", 200},
	"legacy-invites":    {"GET", "/api/invites/requested", 200},
	"legacy-pin":        {"GET", "/pins/{id}", 200},
	"legacy-resources":  {"GET", "/api/resources", 200},
	"legacy-server":     {"GET", "/api/servers/{id}", 200},
	"legacy-shares":     {"GET", "/api/servers/{id}/shared_servers", 200},
	"legacy-users":      {"GET", "/api/users", 200},
	"opt-outs":          {"GET", "/api/v2/user/{uuid}/settings/opt_outs", 200},
	"pin":               {"GET", "/api/v2/pins/{id}", 200},
	"ping":              {"GET", "/api/v2/ping", 200},
	"resources":         {"GET", "/api/v2/resources", 200},
	"response":          {"GET", "/api/invites/requested", 401},
	"server":            {"GET", "/", 200},
	"server-account":    {"GET", "/myplex/account", 200},
	"server-info":       {"GET", "/api/v2/servers/{id}", 200},
	"share":             {"POST", "/api/v2/shared_servers", 201},
	"shares":            {"GET", "/api/v2/shared_servers/owned/accepted", 200},
	"source":            {"GET", "/security/resources", 200},
	"system-devices":    {"GET", "/devices", 200},
	"transient-token":   {"GET", "/security/token", 200},
	"webhooks":          {"GET", "/api/v2/user/webhooks", 200},
}

// Every golden shape of package wire matches the document.
func TestGoldensFitTheDocument(t *testing.T) {
	const folder = "../wire/testdata/golden"
	d := readDocument(t)
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[string]bool)
	for _, entry := range entries {
		name, _, _ := strings.Cut(entry.Name(), ".")
		for goldens[name].path == "" && strings.Contains(name, "-") {
			name = name[:strings.LastIndex(name, "-")]
		}
		g, ok := goldens[name]
		if !ok {
			t.Errorf("%s: add its operation to goldens", entry.Name())
			continue
		}
		used[name] = true
		text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		media := "application/" + strings.TrimPrefix(filepath.Ext(entry.Name()), ".")
		body := text
		if media == "application/xml" {
			body = []byte(strings.ReplaceAll(string(text), ">\n<", "><")) // formatted for readers
		}
		_, at := d.operationAt(g.method, g.path)
		if err := d.check(at, g.status, media, body); err != nil {
			t.Errorf("%s: %v", entry.Name(), err)
		}
	}
	for name := range goldens {
		if !used[name] {
			t.Errorf("there is no golden %s", name)
		}
	}
}

// Parameters that the API reads are in the document. Their names are found in the source.
func TestParametersAreDocumented(t *testing.T) {
	d := readDocument(t)
	documented := make(map[string]bool)
	for path, methods := range d.operations() {
		for method := range methods {
			for _, p := range d.parameters(method, path) {
				documented[p.name] = true
			}
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	read := regexp.MustCompile(`\.(?:Text|Secret|Bool)\("([^"]+)"\)`)
	found := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range read.FindAllStringSubmatch(string(text), -1) {
			found++
			if !documented[m[1]] {
				t.Errorf("%s reads %s, which no operation of api/openapi.yaml has", file, m[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d parameters were found", found)
	}
}

// parameter is a parameter of an operation, as a request sends it.
type parameter struct{ name, in string }

// parameters lists the parameters of an operation, except for those in its path. Nested
// members of a body have the names that they have in a form.
func (d *apiDocument) parameters(method, path string) (list []parameter) {
	o := d.operations()[path][method]
	declared, _ := o["parameters"].([]any)
	for _, p := range declared {
		if p := d.resolve(p); p["in"] != "path" {
			list = append(list, parameter{p["name"].(string), p["in"].(string)})
		}
	}
	var members func(prefix string, schema map[string]any)
	members = func(prefix string, schema map[string]any) {
		properties, _ := schema["properties"].(map[string]any)
		for name, property := range properties {
			if prefix != "" {
				name = prefix + "[" + name + "]"
			}
			p := d.resolve(property)
			if p["properties"] != nil {
				members(name, p)
			} else if entry := (parameter{name, "body"}); !slices.Contains(list, entry) {
				list = append(list, entry)
			}
		}
	}
	for _, c := range contentOf(d.resolve(o["requestBody"])) {
		members("", d.resolve(c["schema"]))
	}
	return list
}

// unchecked are parameters that accept any value, or a list, and therefore two different
// values.
var unchecked = []string{"X-Plex-Pin-Proof", "urls[]", "urls", "librarySectionIds", "shared_server[library_section_ids]"}

// A documented parameter is read: if it is sent twice with two values, the error names it.
func TestDocumentedParameters(t *testing.T) {
	w := newFixture(t, nil)
	d := readDocument(t)
	admin := w.lasting(t, "admin")
	count := 0
	for _, row := range api.Rows() {
		for _, p := range d.parameters(row.Method, row.Path) {
			if slices.Contains(unchecked, p.name) {
				continue
			}
			count++
			target, form := w.answered(t, row.Path, "")
			if form.Encode() != "" && !row.Body {
				form = nil
			}
			form.Del(p.name)
			req := w.request(t, row.Method, target, "application/json", form)
			req.Header.Set("X-Plex-Token", string(admin()))
			if p.in == "header" {
				req.Header[http.CanonicalHeaderKey(p.name)] = []string{"1", "2"}
			} else {
				q := req.URL.Query()
				q[p.name] = []string{"1", "0"}
				req.URL.RawQuery = q.Encode()
			}
			status, body := w.do(t, req)
			if status != http.StatusBadRequest || !strings.Contains(body, p.name+" is given twice") {
				t.Errorf("%s %s does not read %s, which api/openapi.yaml has: %d %s", row.Method, row.Path, p.name, status, body)
			}
		}
	}
	if count < 60 {
		t.Errorf("only %d parameters were found", count)
	}
}

// request creates a request like ask does, without sending it.
func (w *fixture) request(t testing.TB, method, target, accept string, form url.Values) *http.Request {
	t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(t.Context(), method, w.URL+target, body)
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("X-Plex-Client-Identifier", "test")
	return req
}

func (w *fixture) do(t testing.TB, req *http.Request) (status int, body string) {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// Every status in the document was returned by the handler at least once in this test. It
// returns no others: newFixture compares every answer with the document.
func TestDocumentedStatuses(t *testing.T) {
	w := newFixture(t, func(c *config) { c.API.MediaJWT, c.SignUp = true, true })
	w.askEveryRow(t)
	w.askForItsOwn(t)
	w.askWithoutDatabase(t)
	limited := newFixture(t, func(c *config) { c.FailedTries, c.SignUp = 1, true })
	limited.askTooOften(t)
	limited.askAdminTooOften(t)
	closed := newFixture(t, nil)
	closed.call(t, "POST", "/api/v2/users?"+newcomer, "", nil)
	admin := newFixture(t, nil)
	admin.askAdmin(t)
	got := func(row, status string) bool {
		return slices.ContainsFunc([]*fixture{w, limited, closed, admin}, func(w *fixture) bool { return w.answers.seen[row][status] })
	}

	d := readDocument(t)
	for path, methods := range d.operations() {
		for method, o := range methods {
			documented := o["responses"].(map[string]any)
			for _, status := range slices.Sorted(maps.Keys(documented)) {
				if !got(method+" "+path, status) {
					t.Errorf("%s %s has status %s in api/openapi.yaml, which no request here returned: remove it, "+
						"or add a request to askForItsOwn", method, path, status)
				}
			}
		}
	}
}

// lasting returns a function that returns a valid token: it signs in again if a request has
// revoked the previous token.
func (w *fixture) lasting(t testing.TB, name string) func() plexauth.Secret {
	t.Helper()
	var token plexauth.Secret
	return func() plexauth.Secret {
		t.Helper()
		if _, err := w.Tokens.Verify(t.Context(), token); err != nil {
			token = w.signIn(t, name)
		}
		return token
	}
}

// askEveryRow sends requests that apply to every route.
func (w *fixture) askEveryRow(t *testing.T) {
	t.Helper()
	admin, member := w.lasting(t, "admin"), w.lasting(t, "member")
	tokens := []func() plexauth.Secret{
		func() plexauth.Secret { return "" },
		func() plexauth.Secret { return "00000000000000000000" },
		member,
		func() plexauth.Secret { return w.transient(t, member()) },
		func() plexauth.Secret { return w.serverToken(t, member(), "den") },
	}
	_, jwt := w.keyed(t, "member", "expiring")
	for _, row := range api.Rows() {
		ask := func(change func(*http.Request)) {
			target, form := w.answered(t, row.Path, "")
			req := w.request(t, row.Method, target, "application/json", form)
			change(req)
			w.do(t, req)
		}
		for _, accept := range []string{"application/json", "application/xml"} {
			ask(func(r *http.Request) {
				r.Header.Set("X-Plex-Token", string(admin()))
				r.Header.Set("Accept", accept)
			})
		}
		for _, token := range tokens {
			ask(func(r *http.Request) { r.Header.Set("X-Plex-Token", string(token())) })
		}
		ask(func(r *http.Request) { r.Header["X-Plex-Client-Identifier"] = []string{"1", "2"} })
		ask(func(r *http.Request) {
			r.Header.Set("X-Plex-Token", string(admin()))
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("a", 17<<10))), 17<<10
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		})
		ask(func(r *http.Request) {
			r.Header.Set("X-Plex-Token", string(admin()))
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("<x/>")), 4
			r.Header.Set("Content-Type", "text/xml")
		})
	}
	w.Clock.Advance(8 * 24 * time.Hour)
	for _, row := range api.Rows() {
		target, _ := w.answered(t, row.Path, "")
		req := w.request(t, row.Method, target, "application/json", nil)
		req.Header.Set("X-Plex-Token", string(jwt))
		w.do(t, req)
	}
}

// askForItsOwn sends requests for the statuses that only some operations have.
func (w *fixture) askForItsOwn(t *testing.T) {
	t.Helper()
	admin, member := w.signIn(t, "admin"), w.signIn(t, "member")
	const oldSDK = "speakeasy-sdk/python 0.12.0 2.415.6 0.0.3 plex-api-client"
	for _, path := range []string{"/api/v2/pins", "/pins"} {
		req := w.request(t, "POST", path, "application/json", nil)
		req.Header.Set("User-Agent", oldSDK)
		w.do(t, req)
	}
	for _, target := range []string{
		"GET /users/none/avatar", "GET /api/v2/pins/0", "GET /pins/0", "PUT /api/v2/pins/link?code=ZZZZ", "GET /api/v2/pins/qr/0",
		"DELETE /devices/0", "GET /api/v2/user/none/settings/opt_outs", "POST /api/v2/user/none/settings/opt_outs",
	} {
		method, path, _ := strings.Cut(target, " ")
		w.call(t, method, path, member, nil)
	}
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		w.call(t, method, "/security/resources?source=server://none", admin, nil)
	}
	for range 2 {
		w.call(t, "POST", "/api/v2/users?"+newcomer, "", nil)
	}
	w.call(t, "POST", "/myplex/claim?token="+w.claim(t, member), "", nil)
	w.send(t, "GET", "/api/v2/auth/nonce", "", "", "")
	w.askOfHomes(t)
	w.askOfShares(t)
	w.askWithKeys(t)
	w.linkInAChain(t)
}

// homeChanges are the operations that change a user of a home.
var homeChanges = []string{
	"PUT /api/home/users/", "PUT /api/v2/home/users/", "PUT /api/v2/home/users/restricted/", "POST /api/v2/home/users/restricted/",
}

// askOfHomes sends requests that a home rejects, and switches more often than one device
// may.
func (w *fixture) askOfHomes(t *testing.T) {
	t.Helper()
	w.emptyHome(t)
	kid, _ := w.house(t)
	admin := w.signIn(t, "admin")
	for _, path := range []string{"/api/home/users", "/api/v2/home/users", "/api/v2/home/users/restricted"} {
		w.call(t, "POST", path+"?title=Kid", admin, nil)
	}
	for _, change := range homeChanges {
		method, path, _ := strings.Cut(change, " ")
		w.call(t, method, path+"none", admin, nil)
		w.call(t, method, path+kid.UUID+"?title=Locked", admin, nil)
	}
	for _, path := range []string{"/api/home/users/", "/api/v2/home/users/"} {
		w.call(t, "DELETE", path+"none", admin, nil)
		w.call(t, "DELETE", path+"1", admin, nil)
		w.call(t, "POST", path+"none/switch", admin, nil)
		token := admin
		for range 11 {
			var got struct {
				AuthToken plexauth.Secret
				User      struct{ AuthToken plexauth.Secret }
			}
			status, body := w.call(t, "POST", path+kid.UUID+"/switch.json", token, nil)
			if status != http.StatusCreated {
				break
			}
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
			token = got.AuthToken + got.User.AuthToken
		}
	}
}

// askOfShares sends invitations to an unknown server, the same one twice, and too many.
func (w *fixture) askOfShares(t *testing.T) {
	t.Helper()
	admin := w.signIn(t, "admin")
	targets := []string{
		"/api/servers/SERVER/shared_servers?shared_server[invited_email]=WHO1", "/api/v2/shared_servers?machineIdentifier=SERVER&invitedEmail=WHO2",
		"/api/v2/friends/invite?identifier=WHO3",
	}
	invite := func(server, who string) {
		for _, target := range targets {
			w.call(t, "POST", strings.NewReplacer("SERVER", server, "WHO", who).Replace(target), admin, nil)
		}
	}
	for _, server := range []string{"none", "den", "den"} {
		invite(server, "twice")
	}
	for i, err := 0, error(nil); !errors.Is(err, friend.ErrMany); i++ {
		_, err = w.Friends.Invite(t.Context(), operator, 1, friend.Wish{Name: fmt.Sprint("many", i)})
		if i > friend.MaxInvitations {
			t.Fatalf("there are %d pending invitations", i)
		}
	}
	invite("den", "more")
	for _, target := range []string{
		"GET /api/servers/none", "GET /api/v2/servers/none", "GET /api/servers/none/shared_servers",
		"GET /api/servers/den/shared_servers/0", "PUT /api/servers/den/shared_servers/0", "DELETE /api/servers/den/shared_servers/0",
	} {
		method, path, _ := strings.Cut(target, " ")
		w.call(t, method, path, admin, nil)
	}
}

// askWithKeys sends invalid proofs of a device.
func (w *fixture) askWithKeys(t *testing.T) {
	t.Helper()
	k, _ := w.keyed(t, "member", "player")
	k.offer(t, k.jwt(k.header(), changed(k.claims(k.nonce(t)), map[string]any{"exp": w.Now().Unix() - 1000})))
	k.offer(t, k.jwt(k.header(), k.claims("unknown")))
	k.register(t, w.signInAs(t, "admin", "laptop")) // the key belongs to another device
	left := w.Add("left")
	k, _ = w.keyed(t, "left", "player")
	if err := w.Accounts.Disable(t.Context(), operator, left.ID); err != nil {
		t.Fatal(err)
	}
	k.offer(t, k.jwt(k.header(), k.claims(k.nonce(t))))

	for _, path := range []string{"/api/v2/pins", "/pins"} {
		client := "tv at " + path
		k := w.newKey(t, client)
		var p struct {
			ID   int64
			Code string
			PIN  struct {
				ID   int64
				Code string
			}
		}
		_, body := w.post(t, path+".json?strong=1", client, "", map[string]any{"jwk": k.jwk})
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		w.call(t, "PUT", "/api/v2/pins/link?code="+p.Code+p.PIN.Code, w.signIn(t, "member"), nil)
		for _, change := range []map[string]any{{"exp": w.Now().Unix() - 1000}, {"iss": "another"}} {
			signed := k.jwt(k.header(), changed(k.claims(""), change))
			w.send(t, "GET", fmt.Sprintf("%s/%d?deviceJWT=%s", path, p.ID+p.PIN.ID, signed), client, "", "")
		}
	}
}

// linkInAChain links PINs of one device, each with the token of the previous one, until no
// further token can be issued to the device.
func (w *fixture) linkInAChain(t *testing.T) {
	t.Helper()
	token := w.signInAs(t, "member", "chain")
	for range 11 {
		p := w.startPIN(t, "chain")
		if status, _ := w.call(t, "PUT", "/api/v2/pins/link?code="+p.Code, token, nil); status != http.StatusNoContent {
			return
		}
		_, next := w.poll(t, p.ID, "chain")
		token = *next
	}
}

// askTooOften reaches the rate limits.
func (w *fixture) askTooOften(t *testing.T) {
	t.Helper()
	admin := w.signIn(t, "admin")
	w.guessHomePINs(t, admin) // before sign-ins evict the token
	right := "login=admin&password=" + url.QueryEscape(password)
	for _, target := range []string{
		"POST /api/v2/pins", "POST /pins", "GET /api/v2/auth/nonce", "POST /api/v2/auth/token?jwt=x.y.z", "GET /api/v2/pins/0", "GET /pins/0",
		"POST /api/v2/users?" + newcomer, "PUT /api/v2/pins/link?code=CCCC", "GET /api/v2/pins/qr/strong%019d", "POST /api/v2/users/signin?" + right,
		"POST /users/sign_in?user[" + strings.NewReplacer("=", "]=", "&", "&user[").Replace(right),
	} {
		method, path, _ := strings.Cut(target, " ")
		for i := range 1000 {
			if strings.Contains(path, "%019d") {
				path = fmt.Sprintf(path, i)
			}
			if status, _ := w.call(t, method, path, admin, nil); status == http.StatusTooManyRequests {
				break
			}
			path = strings.TrimPrefix(target, method+" ")
		}
	}
	for _, path := range []string{"/api/v2/users/signin?login=member&password=wrong", "/users/sign_in?user[login]=member&user[password]=wrong"} {
		w.call(t, "POST", path, "", nil)
	}
}

// guessHomePINs sends wrong PINs until the limit is reached.
func (w *fixture) guessHomePINs(t *testing.T, admin plexauth.Secret) {
	t.Helper()
	_, locked := w.house(t)
	w.call(t, "PUT", "/api/home/users/1?pin=1234", admin, nil)
	for range 2 {
		for _, change := range homeChanges {
			method, path, _ := strings.Cut(change, " ")
			w.call(t, method, path+"1?pin=&currentPin=0000", admin, nil)
		}
		for _, path := range []string{"/api/home/users/", "/api/v2/home/users/"} {
			w.call(t, "POST", path+locked.UUID+"/switch?pin=0000", admin, nil)
		}
	}
}

// askWithoutDatabase sends requests to a server whose database is closed.
func (w *fixture) askWithoutDatabase(t *testing.T) {
	t.Helper()
	admin := w.signInAs(t, "admin", "late")
	var me struct{ UUID string }
	w.read(t, "GET", "/api/v2/user.json", admin, nil, &me)
	claim, key := w.claim(t, admin), w.adminKey(t, "late", allScopes()...)
	c := w.Restart()
	planes := api.New(c, api.Config{Observer: httpd.NewObserver(w.Logger, w.Now)})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	server := w.serve(t, planes.Handler(planes.NotFound()))
	w.askAdminWithoutDatabase(t, server.URL, key)
	for _, row := range api.Rows() {
		path := strings.NewReplacer("{id}", "1", "{uuid}", me.UUID, "{code}", "CFHJ").Replace(row.Path)
		k := w.newKey(t, "late")
		query := url.Values{
			"type": {"delegation"}, "scope": {"all"}, "source": {"server://den"}, "code": {"CFHJ"}, "login": {"admin"}, "password": {password}, "username": {"late"}, "key": {"tv.plex.provider.vod"}, "value": {"opt_out"},
			"user[login]": {"admin"}, "user[password]": {password}, "token": {claim}, "jwt": {k.jwt(k.header(), k.claims("x"))},
		}
		req := w.request(t, row.Method, path+"?"+query.Encode(), "application/json", nil)
		req.URL.Host = strings.TrimPrefix(server.URL, "http://")
		req.Header.Set("X-Plex-Token", string(admin))
		w.do(t, req)
	}
}
