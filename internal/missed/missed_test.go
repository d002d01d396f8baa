package missed_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/usher-auth/usher/internal/missed"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

// Only words of the protocol are kept: anything else may be a number, a name or a
// secret.
func TestShapeOfAPath(t *testing.T) {
	p := missed.New(at(noon))
	for path, want := range map[string]string{
		"/library/sections":                 "/library/sections",
		"/library/metadata/12345/children":  "/library/metadata/{}/children",
		"/status/jx9nTbVbHk1gMabcdefg":      "/status/{}",
		"/:/prefs":                          "/:/prefs",
		"/hubs/" + strings.Repeat("a", 300): "other",
		"":                                  "other",
		"no slash":                          "other",
		"/library/../../etc":                "/library/{}/{}/{}",
		"/users/mia@example.org/\x1b[31m/library": "/users/{}/{}/library",
	} {
		if got := p.Count(path); got != want {
			t.Errorf("%q is counted as %q, want %q", path, got, want)
		}
	}
}

// The stored paths are limited, also those in a file that another program has written.
func TestPathsAreBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "paths.json")
	var text strings.Builder
	for i := range 300 {
		fmt.Fprintf(&text, `,{"path":"%s/secret%d","count":1}`, strings.Repeat("/library", i%10)+strings.Repeat("/hubs", i/10), i)
	}
	if err := os.WriteFile(file, []byte("["+text.String()[1:]+"]"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := missed.New(at(noon))
	if err := p.Load(file); err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		p.Count(strings.Repeat("/web", i%10) + strings.Repeat("/log", i/10))
	}
	list, total := p.List(), int64(0)
	for _, path := range list {
		total += path.Count
		if strings.Contains(path.Path, "secret") {
			t.Errorf("there is %s", path.Path)
		}
	}
	if len(list) > 101 || total != 600 {
		t.Errorf("there are %d paths, asked for %d times", len(list), total)
	}
}

// A process reads what another has saved, and continues with it.
func TestSave(t *testing.T) {
	file := filepath.Join(t.TempDir(), "paths.json")
	if list, err := missed.Read(file); err != nil || list != nil {
		t.Errorf("without a file: %v, %v", list, err)
	}
	for range 2 {
		p := missed.New(at(noon))
		if err := p.Load(file); err != nil {
			t.Fatal(err)
		}
		p.Count("/hubs")
		p.Count("/library/sections")
		p.Count("/library/sections")
		if err := p.Save(file); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, noon, noon); err != nil {
			t.Fatal(err)
		}
		if err := p.Save(file); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(file); err != nil || !info.ModTime().Equal(noon) {
			t.Errorf("it was saved although nothing has changed: %v", err)
		}
	}
	got, err := missed.Read(file)
	want := []missed.Path{{"/library/sections", 4, noon}, {"/hubs", 2, noon}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	left, err := filepath.Glob(file + "*")
	if err != nil || len(left) != 1 {
		t.Errorf("there are the files %v", left)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := missed.Read(file); err == nil {
		t.Error("a file that is broken is read")
	}
}

// A folder that is gone, or full, is an error, and nothing is forgotten.
func TestSaveFails(t *testing.T) {
	folder := t.TempDir()
	p := missed.New(nil)
	p.Count("/hubs")
	if err := p.Save(filepath.Join(folder, "gone", "paths.json")); err == nil {
		t.Fatal("it was saved")
	}
	file := filepath.Join(folder, "paths.json")
	if err := p.Save(file); err != nil {
		t.Fatal(err)
	}
	if list, err := missed.Read(file); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
}
