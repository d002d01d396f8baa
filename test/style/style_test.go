// Package style_test checks rules that the compiler and the linters do not check: which
// package may import which, and names that hide an import.
//
// It reads the module's source files itself and not with "go list". It therefore sees the
// files of every platform and build tag, and "go test" runs it again when one of them
// changes.
package style_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/usher-auth/usher"
)

// sourceFile is one parsed Go file of the module.
type sourceFile struct {
	*ast.File
	// pkg is the folder of the file, relative to the module: "internal/store".
	pkg string
	// test says that only "go test" compiles the file.
	test bool
}

func importPath(spec *ast.ImportSpec) string {
	text, _ := strconv.Unquote(spec.Path.Value) // the parser has checked it
	return text
}

// source holds the module's files, which are parsed once for all tests.
type source struct {
	fset  *token.FileSet
	files []sourceFile
}

var readSource = sync.OnceValues(func() (source, error) {
	src := source{fset: token.NewFileSet()}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return enter(name, entry)
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		file, err := parser.ParseFile(src.fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		src.files = append(src.files, sourceFile{file, filepath.ToSlash(dir), strings.HasSuffix(name, "_test.go")})
		return nil
	})
	return src, err
})

// enter skips the folders that the go command skips, npm's, those in .gitignore, and other
// modules.
func enter(name string, entry fs.DirEntry) error {
	if name == root {
		return nil
	}
	switch base := entry.Name(); {
	case strings.HasPrefix(base, "."), strings.HasPrefix(base, "_"),
		base == "testdata", base == "node_modules", base == "build", base == "bin":
		return filepath.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
		return filepath.SkipDir
	}
	return nil
}

func readModule(t *testing.T) source {
	t.Helper()
	src, err := readSource()
	if err != nil {
		t.Fatal(err)
	}
	if len(src.files) < 100 {
		t.Fatalf("read only %d Go files: the module is not where this test looks for it", len(src.files))
	}
	return src
}

// inModule returns the folder of a package of this module, given its import path. It
// returns false for other packages.
func inModule(importPath string) (folder string, ok bool) {
	return strings.CutPrefix(importPath, module+"/")
}
