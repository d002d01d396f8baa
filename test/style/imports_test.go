package style_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// layers is the picture of the module, from top to bottom. It has every package, and the
// packages of this module that it may import. Imports point down: a package may import only
// packages below its own row. "internal/" is omitted.
// The table allows exactly what the code imports. When an import disappears, remove its
// name here. A new name needs a reason in the commit.
//
// The nouns own their types and rules, and state in interfaces what they need stored.
// Package store implements the interfaces, and core connects the two: no other package
// knows of SQL.
var layers = []layer{
	{"the program", []row{
		{"cmd/usher", "cli"},
	}},
	{"programs that show the SDK", []row{
		{"examples/pin-terminal", "plexauth"},
		{"examples/test-signin", "plexauth"},
		{"examples/web-signin", "plexauth/login plexauth"},
	}},
	{"what only tests import", []row{
		{"db/dbtest", "db"},
		{"passkey/passkeytest", ""},
		{"mail/mailtest", ""},
		{"devicekey/devicekeytest", "devicekey"},
		{"store/storetest", "store notify account adminkey audit device devicekey home origin passkey pin session signin signing source token tries db paging plexauth webhook invite friend mail"},
		{"test/browser", ""},
		{"test/clients", ""},
		{"test/cluster", ""},
		{"test/crash", ""},
		{"test/exec", ""},
		{"test/http", ""},
		{"test/install", ""},
		{"test/mutation", ""},
		{"test/history", ""},
		{"test/recipes", ""},
		{"test/schemathesis", ""},
		{"test/sdks", ""},
	}},
	{"measurements", []row{
		{"bench/http", "plexauth"},
		{"bench/http/argon2id", "account"},
		{"bench/http/bare", ""},
		{"bench/scale", "core db db/pgtest glyph paging plexauth test/http/binary"},
		{"bench/model", ""},
	}},
	{"what starts the built binary, and PostgreSQL", []row{
		{"test/http/binary", ""},
		{"db/pgtest", ""},
	}},
	{"the command line", []row{
		{"cli", "server control stage scene sandbox traffic suggest machine missed trouble web core httpd account device home token source origin audit hashing seal glyph fault paging plexauth conformance adminkey invite mail"},
	}},
	{"an usher that tests control", []row{
		{"control", "stage scene traffic trouble source device fault plexauth"},
		{"stage", "server scene core wire account token source device audit fault paging traffic trouble plexauth"},
	}},
	{"usher for tests", []row{
		{"plexauthtest", "server scene core account token pin source device audit paging trouble plexauth"},
		{"coretest", "core account device source audit seal plexauth"},
	}},
	{"who and what there is at the start of a test", []row{
		{"scene", "core account friend source device audit fault seal suggest trouble plexauth"},
	}},
	{"the faces together", []row{
		{"server", "api web core httpd machine mail missed"},
	}},
	{"the faces", []row{
		{"api", "/api core httpd missed wire account claim device devicekey home token signing pin source audit db guard qrcode avatar fault paging plexauth adminkey origin passkey session webhook friend invite mail"},
		{"web", "/api core httpd machine missed notify account device home token pin passkey session source origin signin audit qrcode glyph fault paging plexauth adminkey invite mail webhook"},
	}},
	{"what a face stands on", []row{
		{"httpd", "guard"},
	}},
	{"every service and its rows, joined once", []row{
		{"core", "store notify account adminkey claim device devicekey home passkey pin token signing session source origin signin audit mail db guard hashing seal paging plexauth webhook invite friend"},
	}},
	{"rows", []row{
		{"store", "notify account adminkey claim device devicekey home passkey pin token signing session source origin signin tries audit mail db paging plexauth webhook invite friend"},
	}},
	{"answers that go wrong on purpose", []row{
		{"trouble", "wire suggest"},
	}},
	{"what crosses the wire", []row{
		{"wire", "glyph fault plexauth"},
	}},
	{"nouns, each on those below it", []row{
		{"invite", "account passkey source audit mail db guard fault paging plexauth"},
		{"friend", "source account audit db fault"},
		{"pin", "account device devicekey token audit db guard tries seal letters fault plexauth"},
		{"home", "account device token audit db glyph fault plexauth"},
		{"source", "account token audit db glyph fault paging plexauth"},
		{"session", "token signin audit db fault paging plexauth"},
		{"adminkey", "account audit db guard letters fault paging plexauth"},
		{"claim", "account token db seal fault plexauth"},
		{"devicekey", "account token signing audit db guard seal fault plexauth"},
		{"passkey", "account signin audit db guard glyph fault"},
		{"token", "account device signin signing audit db seal letters fault paging plexauth"},
		{"account", "signin audit mail db guard tries hashing seal glyph weak fault paging plexauth"},
		{"webhook", "device audit db seal fault plexauth"},
		{"notify", "device audit db fault paging"},
		{"origin", "audit db fault paging"},
		{"device", "db guard fault paging"},
	}},
	{"what nouns stand on", []row{
		{"mail", "db fault seal plexauth"},
		{"tries", "db guard seal"},
		{"signin", "audit db plexauth"},
		{"signing", "audit db seal fault"},
		{"audit", "db glyph"},
	}},
	{"the engine", []row{
		{"db", "fault plexauth"},
	}},
	{"the OpenAPI document", []row{
		{"/api", ""},
	}},
	{"tools that know nothing of usher", []row{
		{"guard", "fault"},
		{"hashing", ""},
		{"seal", "plexauth"},
		{"qrcode", ""},
		{"avatar", ""},
		{"letters", ""},
		{"glyph", ""},
		{"weak", ""},
		{"paging", ""},
		{"fault", ""},
		{"sandbox", ""},
		{"traffic", "suggest"},
		{"suggest", ""},
		{"machine", ""},
		{"missed", ""},
	}},
	{"questions to any server, which know nothing of this one", []row{
		{"conformance", "plexauth"},
	}},
	{"the SDK, which knows nothing of the server", []row{
		{"plexauth/login", "plexauth"},
		{"plexauth", ""},
	}},
}

// layer is a floor of the picture.
type layer struct {
	name string
	rows []row
}

// row is a package and the packages of the module that it may import, with
// spaces between them.
type row struct{ pkg, imports string }

func (r row) allowed() []string { return strings.Fields(r.imports) }

// rows returns the table from top to bottom.
func rows() []row {
	var list []row
	for _, l := range layers {
		list = append(list, l.rows...)
	}
	return list
}

// Every import that the table allows points down.
func TestLayersPointDown(t *testing.T) {
	place := make(map[string]int)
	for at, r := range rows() {
		if _, twice := place[r.pkg]; twice {
			t.Errorf("%s has two rows", r.pkg)
		}
		place[r.pkg] = at
	}
	for at, r := range rows() {
		for _, name := range r.allowed() {
			if below, ok := place[name]; !ok {
				t.Errorf("the row of %s allows %s, which has no row", r.pkg, name)
			} else if below <= at {
				t.Errorf("the row of %s allows %s, which is not below it", r.pkg, name)
			}
		}
	}
}

// The code has exactly the imports that the table allows. Tests may import more: they see a
// package from outside.
func TestImports(t *testing.T) {
	imports := moduleImports(readModule(t))
	for _, r := range rows() {
		got, ok := imports[r.pkg]
		if !ok {
			t.Errorf("the table has a row for %s, which does not exist: delete the row", r.pkg)
		}
		delete(imports, r.pkg)
		for _, name := range r.allowed() {
			if !got[name] {
				t.Errorf("%s no longer imports %s: delete it from the row", r.pkg, name)
			}
			delete(got, name)
		}
		for _, name := range slices.Sorted(maps.Keys(got)) {
			t.Errorf("%s imports %s, which its row does not allow", r.pkg, name)
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(imports)) {
		t.Errorf("%s has no row: add it to a layer, with the packages that it may import", pkg)
	}
}

// joinsStore is the one package that builds services on package store.
const joinsStore = "core"

// aboveStore are the packages that know services but not rows, and the same holds for their
// tests: they ask services for data.
var aboveStore = []string{
	"api", "cli", "cmd/usher", "coretest", "httpd", "plexauthtest", "server", "web",
	"bench/http", "bench/scale", "test/browser", "test/clients", "test/crash", "test/docs", "test/exec", "test/http", "test/schemathesis", "test/sdks",
}

// Independently of the table, only core names package store. Tests of the nouns may use it
// to write what no service would.
func TestOnlyCoreUsesStore(t *testing.T) {
	src := readModule(t)
	seen := make(map[string]bool)
	for _, f := range src.files {
		pkg := shortName(f.pkg)
		seen[pkg] = true
		mayName := pkg == joinsStore || pkg == "store" || pkg == "store/storetest" || f.test && !slices.Contains(aboveStore, pkg)
		for _, spec := range f.Imports {
			if folder, _ := inModule(importPath(spec)); shortName(folder) == "store" && !mayName {
				t.Errorf("%v: %s names package store: ask a service instead", src.fset.Position(spec.Pos()), pkg)
			}
		}
	}
	for _, pkg := range aboveStore {
		if !seen[pkg] {
			t.Errorf("there is no package %s: delete it from aboveStore", pkg)
		}
	}
}

// moduleImports returns the packages of the module that each package imports outside its
// tests, on any platform and with any build tag.
func moduleImports(src source) map[string]map[string]bool {
	imports := make(map[string]map[string]bool)
	for _, f := range src.files {
		if f.test {
			continue
		}
		pkg := shortName(f.pkg)
		if imports[pkg] == nil {
			imports[pkg] = make(map[string]bool)
		}
		for _, spec := range f.Imports {
			if folder, ok := inModule(importPath(spec)); ok {
				imports[pkg][shortName(folder)] = true
			}
		}
	}
	return imports
}

// shortName returns the name of a folder's package in the table. The top-level folder api,
// with the OpenAPI document, is not internal/api.
func shortName(folder string) string {
	if folder == "api" {
		return "/api"
	}
	return strings.TrimPrefix(folder, "internal/")
}
