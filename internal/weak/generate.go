//go:build ignore

// Generate writes list.txt and LICENSES. It needs npm, pip and unzip, and takes the
// packages from their registries:
//
//	go generate ./internal/weak
package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

const (
	django = "django==5.2.8"
	zxcvbn = "@zxcvbn-ts/language-common@4.1.3"

	minPassword = 8 // shorter ones are refused for their length
)

func main() {
	log.SetFlags(0)
	dir, err := os.MkdirTemp("", "weak")
	check(err)
	defer os.RemoveAll(dir)
	run(dir, "pip", "download", "--quiet", "--no-deps", django)
	run(dir, "npm", "pack", "--silent", zxcvbn)

	fromDjango := wheel(dir)
	fromZxcvbn := archive(dir)
	var words []string
	check(json.Unmarshal(fromZxcvbn["src/passwords.json"], &words))
	common, err := gzip.NewReader(bytes.NewReader(fromDjango["django/contrib/auth/common-passwords.txt.gz"]))
	check(err)
	text, err := io.ReadAll(common)
	check(err)
	words = append(words, strings.Split(string(text), "\n")...)

	var list []string
	for _, w := range words {
		w = cases.Fold().String(norm.NFKC.String(strings.TrimSpace(w)))
		if utf8.RuneCountInString(w) >= minPassword {
			list = append(list, w)
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	lines := strings.Join(list, "\n") + "\n"
	check(os.WriteFile("list.txt", []byte(lines), 0o644))

	licences := fmt.Sprintf("list.txt is made of the passwords of two packages.\n\n"+
		"%s (django/contrib/auth/common-passwords.txt.gz):\n\n%s\n%s (src/passwords.json):\n\n%s",
		django, licence(fromDjango), zxcvbn, licence(fromZxcvbn))
	check(os.WriteFile("LICENSES", []byte(licences), 0o644))
	log.Printf("%d passwords, %d bytes", len(list), len(lines))
}

func licence(files map[string][]byte) []byte {
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range files {
			if !yield(name) {
				return
			}
		}
	}) {
		if strings.HasPrefix(filepath.Base(name), "LICENSE") && !strings.Contains(name, ".python") {
			return files[name]
		}
	}
	log.Fatal("no licence")
	return nil
}

func wheel(dir string) map[string][]byte {
	names, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	check(err)
	r, err := zip.OpenReader(names[0])
	check(err)
	defer r.Close()
	files := make(map[string][]byte)
	for _, f := range r.File {
		if !strings.Contains(f.Name, "LICENSE") && !strings.Contains(f.Name, "common-passwords") {
			continue
		}
		in, err := f.Open()
		check(err)
		files[f.Name], err = io.ReadAll(in)
		check(err)
	}
	return files
}

func archive(dir string) map[string][]byte {
	names, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	check(err)
	f, err := os.Open(names[0])
	check(err)
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	check(err)
	files := make(map[string][]byte)
	for r := tar.NewReader(unpacked); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		check(err)
		files[strings.TrimPrefix(h.Name, "package/")], err = io.ReadAll(r)
		check(err)
	}
}

func run(dir, name string, args ...string) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	check(cmd.Run())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
