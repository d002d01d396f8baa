package trouble

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/usher-auth/usher/internal/suggest"
)

// Fault describes a fault and the requests that it affects. Name is required.
type Fault struct {
	// Name is the name of a Kind.
	Name string `json:"fault" yaml:"fault"`
	// Path is the path of the affected requests. A star stands for any text without a
	// slash, and a star at the end for any text. If empty, requests for all paths are
	// affected.
	Path string `json:"path,omitempty" yaml:"path"`
	// Times is the number of affected requests. If zero, it is unlimited.
	Times int `json:"times,omitempty" yaml:"times"`
	// Skip is the number of matching requests that get the usual response before the
	// fault begins.
	Skip int `json:"skip,omitempty" yaml:"skip"`
	// Seconds is the duration, for the kinds that have one. If zero, it is the kind's
	// default.
	Seconds float64 `json:"seconds,omitempty" yaml:"seconds"`
	// Chance is the probability that a request is affected: above 0, and at most 1. If
	// zero, it is the kind's default.
	Chance float64 `json:"chance,omitempty" yaml:"chance"`
}

// Parse parses the syntax of --fault: NAME, or NAME,KEY=VALUE with the keys path,
// times, skip, seconds and chance.
func Parse(text string) (Fault, error) {
	name, rest, more := strings.Cut(text, ",")
	f := Fault{Name: name}
	for more {
		var field string
		field, rest, more = strings.Cut(rest, ",")
		key, value, ok := strings.Cut(field, "=")
		if !ok {
			return f, fmt.Errorf("%q is not of the form KEY=VALUE", field)
		}
		if err := f.set(key, value); err != nil {
			return f, err
		}
	}
	return f, f.Check()
}

// set sets a field.
func (f *Fault) set(key, value string) (err error) {
	switch key {
	case "path":
		f.Path = value
	case "times":
		f.Times, err = strconv.Atoi(value)
	case "skip":
		f.Skip, err = strconv.Atoi(value)
	case "seconds":
		f.Seconds, err = strconv.ParseFloat(value, 64)
	case "chance":
		f.Chance, err = strconv.ParseFloat(value, 64)
	default:
		return unknown("a fault has no key "+strconv.Quote(key), key, []string{"path", "times", "skip", "seconds", "chance"})
	}
	if err != nil {
		return fmt.Errorf("%s=%s is not a number", key, value)
	}
	return nil
}

// unknown returns the error for an unknown word, which suggests the closest known word
// or lists them all.
func unknown(problem, word string, known []string) error {
	if meant := suggest.Closest(word, known); meant != "" {
		return fmt.Errorf("%s; did you mean %q?", problem, meant)
	}
	return fmt.Errorf("%s; there are %s", problem, strings.Join(known, ", "))
}

// maxSeconds limits the durations of faults.
const maxSeconds = 100 * 365 * 24 * 60 * 60

// Check returns an error if the fault is invalid.
func (f Fault) Check() error {
	if _, ok := find(f.Name); !ok {
		return unknown(fmt.Sprintf("there is no fault %q", f.Name), f.Name, Names())
	}
	switch {
	case f.Path != "" && f.Path[0] != '/':
		return fmt.Errorf("the path %q of the fault %s does not begin with a slash", f.Path, f.Name)
	case strings.ContainsAny(f.Path, "?#"):
		return fmt.Errorf("the path %q of the fault %s has a query: faults are by path alone", f.Path, f.Name)
	case f.Times < 0:
		return fmt.Errorf("the times of the fault %s are negative", f.Name)
	case f.Skip < 0:
		return fmt.Errorf("the skip of the fault %s is negative", f.Name)
	case !(f.Chance >= 0 && f.Chance <= 1):
		return fmt.Errorf("the chance of the fault %s is not between 0 and 1", f.Name)
	case !(f.Seconds >= -maxSeconds && f.Seconds <= maxSeconds):
		return fmt.Errorf("the seconds of the fault %s are more than a century", f.Name)
	}
	return nil
}

// withDefaults replaces zero values with the defaults of the kind.
func (f Fault) withDefaults(k Kind) Fault {
	if f.Seconds == 0 {
		f.Seconds = k.Seconds
	}
	if f.Chance == 0 {
		f.Chance = k.Chance
	}
	return f
}

// duration returns the duration of the fault.
func (f Fault) duration() time.Duration { return time.Duration(f.Seconds * float64(time.Second)) }

// matches reports whether the fault can affect a request. It ignores Times, Skip and
// Chance.
func (f Fault) matches(k Kind, r *http.Request) bool {
	if k.applies != nil && !k.applies(r) {
		return false
	}
	return f.Path == "" || matchesPath(f.Path, r.URL.Path)
}

// matchesPath reports whether a path is one of a pattern: a star stands for any text
// without a slash, and one at the end for any text.
func matchesPath(pattern, path string) bool {
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(path, parts[0]) {
		return false
	}
	path = path[len(parts[0]):]
	if len(parts) == 1 {
		return path == ""
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] { // as little as possible stands for each star
		i := strings.Index(path, part)
		if i < 0 || strings.Contains(path[:i], "/") {
			return false
		}
		path = path[i+len(part):]
	}
	if parts[last] == "" {
		return true
	}
	before, ok := strings.CutSuffix(path, parts[last])
	return ok && !strings.Contains(before, "/")
}
