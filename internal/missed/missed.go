// Package missed counts the requests for unknown paths. They show what a client that
// does not work expects.
//
// It owns which parts of a path are stored, the maximum number of paths, and the file
// from which another process reads them. It does not own the responses.
package missed

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// The limits of the paths that are counted separately.
const (
	maxPaths = 100
	maxBytes = 80
)

// Other is the name under which all paths beyond the limits are counted.
const Other = "other"

// Path is a requested path, without anything that may be a secret.
type Path struct {
	Path  string    `json:"path"`
	Count int64     `json:"count"`
	Last  time.Time `json:"last"` // when it was last requested
}

// Paths counts paths. It is safe for concurrent use.
type Paths struct {
	now func() time.Time

	mu      sync.Mutex
	byPath  map[string]Path
	changed bool // since it was last saved
}

// New returns empty Paths. now returns the time. If nil, time.Now is used.
func New(now func() time.Time) *Paths {
	if now == nil {
		now = time.Now
	}
	return &Paths{now: now, byPath: make(map[string]Path)}
}

// Count counts a request for a path, and returns the name under which it is counted:
// the path with only the segments that clients are known to use, or Other.
func (p *Paths) Count(path string) string {
	path = anonymous(path)
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.byPath[path]; !known && len(p.byPath) >= maxPaths {
		path = Other
	}
	counted := p.byPath[path]
	p.byPath[path] = Path{path, counted.Count + 1, p.now()}
	p.changed = true
	return path
}

// List returns the paths, the most requested first.
func (p *Paths) List() []Path {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.list()
}

func (p *Paths) list() []Path {
	list := make([]Path, 0, len(p.byPath))
	for _, path := range p.byPath {
		list = append(list, path)
	}
	slices.SortFunc(list, func(a, b Path) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Path, b.Path))
	})
	return list
}

// Load adds the paths of a file that Save wrote. It is not an error if the file does
// not exist.
func (p *Paths) Load(file string) error {
	list, err := Read(file)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, path := range list {
		// The content of the file is not trusted.
		name := anonymous(path.Path)
		if _, known := p.byPath[name]; !known && len(p.byPath) >= maxPaths {
			name = Other
		}
		counted := p.byPath[name]
		p.byPath[name] = Path{name, counted.Count + path.Count, later(counted.Last, path.Last)}
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Save writes the paths to a file, if a path was requested since the last call.
func (p *Paths) Save(file string) error {
	p.mu.Lock()
	list, changed := p.list(), p.changed
	p.changed = false
	p.mu.Unlock()
	if !changed {
		return nil
	}
	if err := write(file, list); err != nil {
		p.mu.Lock()
		p.changed = true
		p.mu.Unlock()
		return fmt.Errorf("saving the requested unknown paths: %w", err)
	}
	return nil
}

// write replaces a file atomically, because another process may be reading it.
func write(file string, list []Path) (err error) {
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*.new")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Read returns the paths in a file, in the order of List. It is not an error if the
// file does not exist.
func Read(file string) ([]Path, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []Path
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the requested unknown paths: %w", err)
	}
	return list, nil
}
