package fault_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/fault"
)

var (
	errGone    = fault.New(fault.NotFound, "there is no such thing")
	errTooMany = fault.New(fault.Limited, "too many guesses")
)

func TestErrors(t *testing.T) {
	cause := errors.New("secret cause")
	for name, test := range map[string]struct {
		err   error
		text  string
		kind  fault.Kind
		field string
		wait  time.Duration
	}{
		"a sentinel":            {errGone, "there is no such thing", fault.NotFound, "", 0},
		"a wrapped sentinel":    {fmt.Errorf("reading: %w", errGone), "there is no such thing", fault.NotFound, "", 0},
		"a sentinel and cause":  {fmt.Errorf("%w (%w)", errGone, cause), "there is no such thing", fault.NotFound, "", 0},
		"a joined sentinel":     {errors.Join(cause, errGone), "there is no such thing", fault.NotFound, "", 0},
		"the first of two":      {fmt.Errorf("%w: %w", errTooMany, errGone), "too many guesses", fault.Limited, "", 0},
		"a field":               {fault.Invalidf("name", "the name has %d letters", 3), "the name has 3 letters", fault.Invalid, "name", 0},
		"a wrapped field":       {fmt.Errorf("adding: %w", fault.Invalidf("name", "no")), "no", fault.Invalid, "name", 0},
		"no field":              {fault.Invalidf("", "no"), "no", fault.Invalid, "", 0},
		"a wait":                {fault.WithWait(errTooMany, 90*time.Second), "too many guesses: wait 1m30s", fault.Limited, "", 90 * time.Second},
		"a fraction of seconds": {fault.WithWait(errTooMany, 1700*time.Millisecond), "too many guesses: wait 2s", fault.Limited, "", 1700 * time.Millisecond},
		"a wrapped wait":        {fmt.Errorf("trying: %w", fault.WithWait(errTooMany, time.Second)), "too many guesses: wait 1s", fault.Limited, "", time.Second},
		"a wait of what is not limited": {
			fault.WithWait(fault.New(fault.Busy, "try again in a second"), time.Second), "try again in a second", fault.Busy, "", time.Second,
		},
		"a canceled context":       {fmt.Errorf("waiting: %w", context.Canceled), "the request was ended before it was answered", fault.Unavailable, "", 0},
		"a deadline":               {context.DeadlineExceeded, "the request took too long", fault.Unavailable, "", 0},
		"a fault before a context": {fmt.Errorf("%w: %w", errGone, context.Canceled), "there is no such thing", fault.NotFound, "", 0},
		"an error without a kind":  {cause, "", fault.Unknown, "", 0},
		"nil":                      {nil, "", fault.Unknown, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			text := ""
			if e := fault.Find(test.err); e != nil {
				text = e.Error()
			}
			if text != test.text {
				t.Errorf("the text is %q, want %q", text, test.text)
			}
			if kind := fault.KindOf(test.err); kind != test.kind {
				t.Errorf("the kind is %v, want %v", kind, test.kind)
			}
			if field := fault.FieldOf(test.err); field != test.field {
				t.Errorf("the field is %q, want %q", field, test.field)
			}
			if wait := fault.WaitOf(test.err); wait != test.wait {
				t.Errorf("the wait is %v, want %v", wait, test.wait)
			}
		})
	}
}

// An error with a wait matches the variable that it was derived from, and no
// other error with the same text.
func TestWithWaitMatches(t *testing.T) {
	err := fmt.Errorf("trying: %w", fault.WithWait(errTooMany, time.Second))
	if !errors.Is(err, errTooMany) {
		t.Error("the error does not match its sentinel")
	}
	if errors.Is(err, fault.New(fault.Limited, "too many guesses")) {
		t.Error("the error matches another one with the same text")
	}
	if fault.WaitOf(errTooMany) != 0 {
		t.Error("the sentinel itself has a wait now")
	}
	if cause := errors.New("no fault"); fault.WithWait(cause, time.Second) != cause {
		t.Error("an error without a kind was changed")
	}
}

func TestKindsHaveNames(t *testing.T) {
	seen := map[string]bool{fault.Unknown.String(): true}
	for _, k := range fault.Kinds() {
		name := k.String()
		if name == "" || seen[name] || strings.HasPrefix(name, "kind ") {
			t.Errorf("kind %d has the name %q", k, name)
		}
		seen[name] = true
	}
	if len(seen) < 9 {
		t.Errorf("only %d kinds", len(seen))
	}
	if name := fault.Kind(200).String(); name != "kind 200" {
		t.Errorf("a kind that does not exist is named %q", name)
	}
}

// Several faults are found by Find one by one, and can be shown separately. A failure is
// returned alone.
func TestJoin(t *testing.T) {
	cause := errors.New("the disk is full")
	name, word := fault.Invalidf("name", "the name is empty"), fault.Invalidf("password", "the password is short")
	for doing, test := range map[string]struct {
		err  error
		want []string
	}{
		"none":           {fault.Join(nil, nil), nil},
		"one":            {fault.Join(nil, name), []string{"the name is empty"}},
		"two":            {fmt.Errorf("adding: %w", fault.Join(name, nil, word)), []string{"the name is empty", "the password is short"}},
		"two of two":     {fault.Join(errGone, fault.Join(name, word)), []string{"there is no such thing", "the name is empty", "the password is short"}},
		"with a failure": {fault.Join(name, cause), nil},
	} {
		var got []string
		for _, e := range fault.All(test.err) {
			got = append(got, e.Text)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: the faults are %q, want %q", doing, got, test.want)
		}
		if len(test.want) > 0 && fault.Find(test.err).Text != test.want[0] {
			t.Errorf("%s: the first is %v", doing, fault.Find(test.err))
		}
	}
	if err := fault.Join(name, word); !errors.Is(err, word) || err.Error() != "the name is empty; the password is short" {
		t.Errorf("got %v", err)
	}
	if err := fault.Join(name, cause); err != cause {
		t.Errorf("got %v, want the failure", err)
	}
}

// Users see the message of a fault and its context, but not its cause.
func TestMessage(t *testing.T) {
	exists := fault.New(fault.Exists, "it exists already")
	cause := errors.New("constraint failed (2067)")
	for want, err := range map[string]error{
		"it exists already":                    fmt.Errorf("%w (%w)", exists, cause),
		"adding Den: it exists already":        fmt.Errorf("adding Den: %w", fmt.Errorf("%w (%w)", exists, cause)),
		"adding Den: constraint failed (2067)": fmt.Errorf("adding Den: %w", cause),
		"it exists already: Films":             fmt.Errorf("%w: Films", exists),
		"no fault (constraint failed (2067))":  fmt.Errorf("%w (%w)", errors.New("no fault"), cause),
	} {
		if got := fault.Message(err); got != want {
			t.Errorf("the message of %q is %q, want %q", err, got, want)
		}
	}
}
