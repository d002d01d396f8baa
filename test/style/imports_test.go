package style_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// layers is the picture of the module, from top to bottom: every package, and
// the packages of this module that it may import. An arrow points down: a
// package may import only what stands below its own row. "internal/" is left
// out.
//
// The table allows exactly what the code does. When an import goes away, its
// name goes away here. A new name here needs a reason in the commit.
//
// The target is cli → api, web → core → store → the nouns → fault, db and the
// tools. A noun that no longer imports store moves down to the nouns. In the
// end, the layer of those that still import it is gone, api and web name
// neither each other nor store, and only core joins store and the nouns.
var layers = []layer{
	{"the program", []row{
		{"cmd/usher", "cli"},
	}},
	{"what only tests import", []row{
		{"db/dbtest", "db"},
		{"passkey/passkeytest", ""},
		{"test/browser", ""},
		{"test/clients", ""},
		{"test/crash", ""},
		{"test/http", ""},
		{"test/http/binary", ""},
		{"test/install", ""},
	}},
	{"measurements", []row{
		{"bench/http", ""},
		{"bench/http/argon2id", "account"},
		{"bench/http/bare", ""},
	}},
	{"the command line", []row{
		{"cli", "server web core httpd account token source origin store hashing fault plexauth"},
	}},
	{"usher for tests", []row{
		{"plexauthtest", "server core account pin source store seal plexauth"},
		{"coretest", "core account source store seal"},
	}},
	{"the faces together", []row{
		{"server", "api web core httpd"},
	}},
	{"the faces", []row{
		{"api", "core httpd wire account token pin source store db guard qrcode fault plexauth"},
		{"web", "httpd account token pin passkey session source origin store guard qrcode fault plexauth"},
	}},
	{"what a face stands on", []row{
		{"httpd", ""},
	}},
	{"every service, opened once", []row{
		{"core", "account passkey pin token session source origin store guard hashing seal"},
	}},
	{"what crosses the wire", []row{
		{"wire", "fault plexauth"},
	}},
	{"nouns that still import store", []row{
		{"account", "store guard hashing seal fault plexauth"},
		{"passkey", "store guard fault"},
		{"pin", "store db guard seal letters fault plexauth"},
		{"token", "store db seal letters fault plexauth"},
		{"session", "store fault plexauth"},
		{"source", "store fault"},
		{"origin", "store fault"},
	}},
	{"rows", []row{
		{"store", "audit db"},
	}},
	{"nouns", []row{
		{"audit", "db"},
	}},
	{"the engine", []row{
		{"db", ""},
	}},
	{"tools that know nothing of usher", []row{
		{"guard", "fault"},
		{"hashing", ""},
		{"seal", ""},
		{"qrcode", ""},
		{"letters", ""},
		{"fault", ""},
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

// Every arrow that the table allows points down.
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

// The code imports what the table allows, and all of it. Tests may import more:
// they see a package from above.
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
		t.Errorf("%s has no row: say in which layer it stands and what it may import", pkg)
	}
}

// moduleImports returns which packages of the module each package imports
// outside its tests, on any platform and under any build tag.
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

// shortName is how the table spells a package, given its folder.
func shortName(folder string) string { return strings.TrimPrefix(folder, "internal/") }
