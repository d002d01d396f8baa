package style_test

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// reserved are functions that sign somebody in without a check. Only the listed
// packages may name them, tests included: every other way to a token or session
// goes through a check.
var reserved = []struct {
	pkg, name string
	// method says that it is a method, whose package is not named by callers.
	method bool
	// by are the packages, and tests those whose tests may use it as well.
	by, tests []string
}{
	// A package that makes a proof states that it has checked what the proof
	// claims. The package's own tests spend proofs of their own.
	{"internal/signin", "NewProof", false, []string{"internal/account", "internal/passkey"}, []string{"internal/signin"}},
	// An access token without a proof is for test kits. The test of the caches
	// runs every method that changes something, and the package's own tests issue
	// tokens that they know.
	{"internal/token", "Issue", true, []string{"internal/scene", "internal/stage", "plexauthtest"}, []string{"internal/core"}},
	{"internal/token", "IssueKnown", true, []string{"internal/scene"}, []string{"internal/core", "internal/token"}},
}

// Attack: a route signs in any account it likes, with a proof or a token that it
// got without a check.
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
			t.Errorf("%s has no %s any more: change this test", r.pkg, r.name)
		}
		for _, pkg := range slices.Concat(r.by, r.tests) {
			if !used[pkg] {
				t.Errorf("%s does not use %s.%s any more: delete it from the list", pkg, path.Base(r.pkg), r.name)
			}
		}
	}
}

func imports(f sourceFile, pkg string) bool {
	return slices.ContainsFunc(f.Imports, func(spec *ast.ImportSpec) bool {
		return importPath(spec) == module+"/"+pkg
	})
}

// mention is a name in a file; decl says that a function is declared by it.
type mention struct {
	*ast.Ident
	decl bool
}

// mentions are the places where a file names something, called or not: a
// function that is passed on is called elsewhere.
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
