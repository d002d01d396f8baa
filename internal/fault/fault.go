// Package fault gives errors a kind.
//
// The package that detects a problem sets its kind and a text for people. The API maps
// each kind to a status, the pages map it to a page, so a new error of a domain package
// needs no change in either. An error without a kind is a failure of the program: its
// text is logged and never shown.
//
// It owns the kinds and the type Error. It does not own the errors themselves,
// which are variables of the packages that return them, nor statuses and pages.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind is the kind of an error. It tells callers what they can do about the error.
type Kind uint8

const (
	// Unknown is the kind of nil and of every error that is not a fault.
	Unknown Kind = iota
	// NotFound: what the caller named does not exist, or not any more.
	NotFound
	// Exists: what the caller wanted to create exists already.
	Exists
	// Conflict: the current state does not allow the change.
	Conflict
	// Invalid: the input is not valid. The error may name the field.
	Invalid
	// TooLarge: the input is larger than the limit.
	TooLarge
	// Unsupported: the input is of a type that cannot be read.
	Unsupported
	// Unauthenticated: the caller did not prove who they are.
	Unauthenticated
	// Denied: the caller is known and does not have the permission.
	Denied
	// Limited: the caller tried too often. The error says how long to wait.
	Limited
	// Busy: the server has too much to do. The error says how long to wait.
	Busy
	// Unavailable: the request could not be completed now. context.Canceled and
	// context.DeadlineExceeded are of this kind.
	Unavailable

	count // of kinds
)

// Kinds lists every kind but Unknown.
func Kinds() []Kind {
	var all []Kind
	for k := Unknown + 1; k < count; k++ {
		all = append(all, k)
	}
	return all
}

var names = [count]string{
	"unknown", "not found", "exists", "conflict", "invalid", "too large", "unsupported",
	"unauthenticated", "denied", "limited", "busy", "unavailable",
}

// String returns the kind's name, for logs and tests.
func (k Kind) String() string {
	if k < count {
		return names[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Error is an error that has a kind.
type Error struct {
	// Kind is the kind of the error.
	Kind Kind
	// Field is the input field that the error is about, or empty.
	Field string
	// Text is shown to people. It starts in lower case, has no full stop at the end,
	// and contains neither secrets nor values that the caller does not know.
	Text string
	// Wait is how long to wait before the next attempt, or zero if unknown.
	Wait time.Duration

	format string // of the text, with its arguments; if empty, Text has no arguments
	args   []any

	err error // the error that this one was derived from
}

// Error returns the text, and for a Limited error how long to wait.
func (e *Error) Error() string {
	if e.Kind == Limited && e.Wait > 0 {
		return fmt.Sprintf("%s: wait %s", e.Text, e.Wait.Round(time.Second))
	}
	return e.Text
}

// Unwrap returns the error that WithWait or WithField derived this one from.
func (e *Error) Unwrap() error { return e.err }

// New returns an error of a kind. Packages declare their errors with it, as variables
// that callers test for with errors.Is.
func New(kind Kind, text string) error { return &Error{Kind: kind, Text: text} }

// Invalidf returns an Invalid error about a field, which may be empty.
func Invalidf(field, format string, args ...any) error {
	e := &Error{Kind: Invalid, Field: field, Text: fmt.Sprintf(format, args...)}
	if len(args) > 0 {
		e.format, e.args = format, args
	}
	return e
}

// WithWait returns a copy of a fault with the time to wait. It matches err in
// errors.Is. An err that is not a fault is returned as it is.
func WithWait(err error, wait time.Duration) error {
	e := Find(err)
	if e == nil {
		return err
	}
	with := *e
	with.Wait, with.err = wait, err
	return &with
}

// WithField returns a copy of a fault that names a field. It matches err in
// errors.Is. A text that is not empty replaces the fault's own. An err that is not
// a fault is returned as it is.
func WithField(err error, field, text string) error {
	e := Find(err)
	if e == nil {
		return err
	}
	with := *e
	with.Field, with.err = field, err
	if text != "" {
		with.Text, with.format, with.args = text, "", nil
	}
	return &with
}

// The faults for the errors of a context.
var (
	canceled = &Error{Kind: Unavailable, Text: "the request was ended before it was answered"}
	timeout  = &Error{Kind: Unavailable, Text: "the request took too long"}
)

// Find returns the first fault in err's tree. For the errors of a context it
// returns a fault of kind Unavailable. It returns nil if err is nil.
func Find(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.Canceled):
		return canceled
	case errors.Is(err, context.DeadlineExceeded):
		return timeout
	}
	return nil
}

// Message returns the text of an error for people: without the cause that a fault was
// given in parentheses, as by fmt.Errorf("%w (%w)", fault, cause), which is for logs.
func Message(err error) string {
	text := err.Error()
	for ; err != nil; err = errors.Unwrap(err) {
		both, ok := err.(interface{ Unwrap() []error })
		if !ok {
			continue
		}
		if list := both.Unwrap(); len(list) == 2 && Find(list[0]) != nil {
			return strings.Replace(text, " ("+list[1].Error()+")", "", 1)
		}
		return text
	}
	return text
}

// KindOf returns the kind of the first fault in err's tree, or Unknown.
func KindOf(err error) Kind {
	if e := Find(err); e != nil {
		return e.Kind
	}
	return Unknown
}

// FieldOf returns the field that an Invalid error names, or "".
func FieldOf(err error) string {
	if e := Find(err); e != nil {
		return e.Field
	}
	return ""
}

// WaitOf returns how long to wait before the next attempt, or zero if unknown.
func WaitOf(err error) time.Duration {
	if e := Find(err); e != nil {
		return e.Wait
	}
	return 0
}

// Parts returns the format of the text and its arguments, for translations. fmt.Sprintf
// returns the text for them. Without arguments, the format is the text itself.
func (e *Error) Parts() (format string, args []any) {
	if e.format == "" {
		return e.Text, nil
	}
	return e.format, e.args
}

// Join combines the errors of several fields, or returns nil if there are none. Find
// returns the first of them, for callers that show only one. If an error has no kind,
// Join returns it alone, because it is a failure of the program.
func Join(errs ...error) error {
	var list joined
	for _, err := range errs {
		switch {
		case err == nil:
		case KindOf(err) == Unknown:
			return err
		default:
			list = append(list, err)
		}
	}
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return list
}

// joined holds the errors of Join.
type joined []error

func (j joined) Error() string {
	texts := make([]string, len(j))
	for i, err := range j {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (j joined) Unwrap() []error { return j }

// All returns the faults of an error: those that Join combined, or the one that Find
// returns. It returns none for an error without a kind.
func All(err error) (list []*Error) {
	var several joined
	if errors.As(err, &several) {
		for _, one := range several {
			list = append(list, All(one)...)
		}
		return list
	}
	if e := Find(err); e != nil {
		list = append(list, e)
	}
	return list
}
