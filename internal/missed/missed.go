// Package missed counts what clients ask for in vain: the paths that nothing
// answers. They say what a client that does not work wants.
//
// It owns which part of a path is kept, how many paths there are at most, and the
// file that another process reads them from. It does not own what is answered.
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

// Limits of the paths that are counted each.
const (
	maxPaths = 100
	maxBytes = 80
)

// Other is what all paths beyond the limits are counted as.
const Other = "other"

// Path is a path that was asked for, without what may be a secret.
type Path struct {
	Path  string    `json:"path"`
	Count int64     `json:"count"`
	Last  time.Time `json:"last"` // when it was last asked for
}

// Paths counts paths. It is safe for concurrent use.
type Paths struct {
	now func() time.Time

	mu      sync.Mutex
	byPath  map[string]Path
	changed bool // since it was last saved
}

// New returns Paths without any. Nil: time.Now.
func New(now func() time.Time) *Paths {
	if now == nil {
		now = time.Now
	}
	return &Paths{now: now, byPath: make(map[string]Path)}
}

// Count counts a request for a path, and returns what it is counted as: the path
// with only those segments that clients are known to use, or Other.
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

// List returns the paths, those that were asked for most first.
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

// Load adds the paths of a file that Save has written. There need not be one.
func (p *Paths) Load(file string) error {
	list, err := Read(file)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, path := range list {
		// What the file says may have been written by anything.
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

// Save replaces a file by the paths, if one was asked for since the last time.
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
		return fmt.Errorf("saving the paths that were asked for in vain: %w", err)
	}
	return nil
}

// write replaces a file in one step: another process may be reading it.
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

// Read returns the paths that a file has, in the order of List. There need not be
// a file.
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
		return nil, fmt.Errorf("reading the paths that were asked for in vain: %w", err)
	}
	return list, nil
}
