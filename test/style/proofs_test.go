package style_test

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// reserved are functions that sign a user in without a check. Only the listed packages may
// name them, including their tests. Every other way to a token or session includes a check.
var reserved = []struct {
	pkg, name string
	// method says that it is a method: callers do not name its package.
	method bool
	// by lists packages, and tests lists packages whose tests may use it as well.
	by, tests []string
}{
	// A package that creates a proof declares that it has checked what the proof claims.
	// The tests of the package use their own proofs.
	{"internal/signin", "NewProof", false, []string{"internal/account", "internal/passkey"}, []string{"internal/signin"}},
	// Only test kits create access tokens without a proof. The test of the caches runs
	// every method that changes something, and the package's own tests issue known tokens.
	{"internal/token", "Issue", true, []string{"internal/scene", "internal/stage", "plexauthtest"}, []string{"internal/core"}},
	{"internal/token", "IssueKnown", true, []string{"internal/scene"}, []string{"internal/core", "internal/token"}},
}

// Attack: a route signs in to an arbitrary account, with a proof or a token that it got
// without a check.
func TestReservedFunctions(t *testing.T) {
	src := readModule(t)
	for _, r := range reserved {
		declared, used := false, make(map[string]bool)
		for _, f := range src.files {
			declares := f.pkg == r.pkg && !f.test
			if !r.method && !declares && f.pkg != r.pkg && !imports(f, r.pkg) {
				continue
			}
			for id := range mentions(f.File, r.name) {
				if id.decl && declares {
					declared = true
					continue
				}
				used[f.pkg] = true
				if !slices.Contains(r.by, f.pkg) && !(f.test && slices.Contains(r.tests, f.pkg)) {
					t.Errorf("%v: only %s may use %s.%s", src.fset.Position(id.Pos()),
						strings.Join(r.by, ", "), path.Base(r.pkg), r.name)
				}
			}
		}
		if !declared {
			t.Errorf("%s no longer has %s: change this test", r.pkg, r.name)
		}
		for _, pkg := range slices.Concat(r.by, r.tests) {
			if !used[pkg] {
				t.Errorf("%s no longer uses %s.%s: delete it from the list", pkg, path.Base(r.pkg), r.name)
			}
		}
	}
}

func imports(f sourceFile, pkg string) bool {
	return slices.ContainsFunc(f.Imports, func(spec *ast.ImportSpec) bool {
		return importPath(spec) == module+"/"+pkg
	})
}

// mention is a use of a name in a file. decl says that it is the name's declaration.
type mention struct {
	*ast.Ident
	decl bool
}

// mentions returns the places where a file uses a name, including where a function is
// passed on without a call.
func mentions(f *ast.File, name string) map[mention]bool {
	found := make(map[mention]bool)
	declared := make(map[*ast.Ident]bool)
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			declared[n.Name] = true
		case *ast.Ident:
			if n.Name == name {
				found[mention{n, declared[n]}] = true
			}
		}
		return true
	})
	return found
}
