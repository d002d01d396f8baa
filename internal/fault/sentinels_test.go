package fault_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// Every error that a domain package exports has a kind. Without one, the API
// and the pages would report it as a failure of the server.
func TestSentinelsAreFaults(t *testing.T) {
	packages := []string{
		"account", "claim", "devicekey", "guard", "origin", "passkey", "pin", "session", "signing", "source", "token",
	}
	for _, name := range packages {
		files, err := filepath.Glob(filepath.Join("..", name, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		sentinels := 0
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range errorVariables(file) {
				sentinels++
				if len(spec.Values) != 1 || !callsFault(spec.Values[0]) {
					t.Errorf("%s: %s is not created by package fault", path, spec.Names[0])
				}
			}
		}
		if sentinels == 0 {
			t.Errorf("package %s has no errors: has it moved?", name)
		}
	}
}

// errorVariables lists the exported package variables of a file that are errors
// by their names.
func errorVariables(file *ast.File) (specs []*ast.ValueSpec) {
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.VAR {
			continue
		}
		for _, spec := range gen.Specs {
			if v, ok := spec.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Err") {
				specs = append(specs, v)
			}
		}
	}
	return specs
}

// callsFault reports whether an expression is a call of a function of package
// fault.
func callsFault(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := selector.X.(*ast.Ident)
	return ok && pkg.Name == "fault"
}
