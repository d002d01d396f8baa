package style_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A local variable with the name of an import makes the package unusable in the rest of the
// block, and misleads readers.
func TestNoImportIsShadowed(t *testing.T) {
	src := readModule(t)
	names := packageNames(t, src)
	for _, f := range src.files {
		imported := make(map[string]string)
		for _, spec := range f.Imports {
			imported[localName(spec, names)] = importPath(spec)
		}
		delete(imported, "_") // hides nothing
		for _, id := range localNames(f.File) {
			if hidden, ok := imported[id.Name]; ok {
				place := strings.TrimPrefix(src.fset.Position(id.Pos()).String(), root+"/")
				t.Errorf("%s: %s hides the import of %s", place, id.Name, hidden)
			}
		}
	}
}

// localName is the name of an import in a file.
func localName(spec *ast.ImportSpec, names map[string]string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	return names[importPath(spec)]
}

// packageNames returns the name of every imported package by its import path.
func packageNames(t *testing.T, src source) map[string]string {
	t.Helper()
	names := make(map[string]string)
	for _, f := range src.files {
		for _, spec := range f.Imports {
			names[importPath(spec)] = ""
		}
	}
	args := []string{"list", "-e", "-find", "-f", "{{.ImportPath}} {{.Name}}"}
	cmd := exec.CommandContext(t.Context(), "go", append(args, slices.Sorted(maps.Keys(names))...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		path, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		names[path] = name
	}
	for path, name := range names {
		if name == "" {
			t.Errorf("go list does not return the name of package %s", path)
		}
	}
	return names
}

// localNames returns what the functions of a file declare: receivers,
// parameters, results, variables, constants and types.
func localNames(file *ast.File) []*ast.Ident {
	var list []*ast.Ident
	for _, decl := range file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			ast.Inspect(decl, func(n ast.Node) bool { // a function literal in a variable
				if lit, ok := n.(*ast.FuncLit); ok {
					list = append(list, declared(lit)...)
					return false
				}
				return true
			})
			continue
		}
		if fn.Recv != nil {
			list = append(list, fieldNames(fn.Recv)...)
		}
		list = append(list, declared(fn)...)
	}
	return list
}

// declared returns the names that a function declares, in its signature and in
// its body.
func declared(fn ast.Node) []*ast.Ident {
	var list []*ast.Ident
	add := func(exprs ...ast.Expr) {
		for _, e := range exprs {
			if id, ok := e.(*ast.Ident); ok {
				list = append(list, id)
			}
		}
	}
	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncType:
			for _, fields := range []*ast.FieldList{n.TypeParams, n.Params, n.Results} {
				list = append(list, fieldNames(fields)...)
			}
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				add(n.Lhs...)
			}
		case *ast.RangeStmt:
			if n.Tok == token.DEFINE {
				add(n.Key, n.Value)
			}
		case *ast.ValueSpec:
			list = append(list, n.Names...)
		case *ast.TypeSpec:
			list = append(list, n.Name)
		}
		return true
	})
	return list
}

func fieldNames(fields *ast.FieldList) []*ast.Ident {
	if fields == nil {
		return nil
	}
	var list []*ast.Ident
	for _, f := range fields.List {
		list = append(list, f.Names...)
	}
	return list
}

func TestLocalNames(t *testing.T) {
	const text = `package p
var a = func(b int) { c := 1; _ = c }
type notLocal func(notCounted int)
func (d notLocal) e(f ...int) (g error) {
	for h, i := range f { var j, k = h, i; _, _ = j, k }
	if l := f; l != nil { type m struct{ notCounted int } }
	switch n := any(f).(type) { case func(o int): _ = n }
	notCounted = 1
	return nil
}
`
	file, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, id := range localNames(file) {
		if id.Name != "_" {
			got = append(got, id.Name)
		}
	}
	slices.Sort(got)
	if want := "b c d f g h i j k l m n o"; strings.Join(got, " ") != want {
		t.Errorf("the local names are %v, want %s", got, want)
	}
}
