// Package paging defines how long listings are read page by page.
//
// It owns the request for a page (Request), the page (List), and the text that
// identifies the place of a row in a listing (Cursor). It does not own how a page is
// read from a table: that is package store.
package paging

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"iter"
	"slices"
	"strings"
)

// DefaultLimit is the number of rows of a page if a Request has no limit.
const DefaultLimit = 100

// Counted is the limit up to which rows are counted, because counting a million rows
// takes as long as reading them. A higher count means that there are more rows.
const Counted = 10_000

// Request selects a page of a listing. The zero value selects the first rows.
type Request struct {
	// After and Before are the place after or before which rows are read. At most one
	// is set. A place stays valid if its row is removed.
	After, Before Cursor
	// Limit is the maximum number of rows. If zero, it is DefaultLimit.
	Limit int
}

// Max returns the maximum number of rows.
func (r Request) Max() int {
	if r.Limit <= 0 {
		return DefaultLimit
	}
	return r.Limit
}

// List is a page of a listing. If the place of a row changes between two reads, for
// example because a device is renamed, the row may be on two pages or on none.
type List[T any] struct {
	Rows []T
	// Next is the place after which there are more rows, and Previous the place before
	// which there are more. They are empty if there is no such page.
	Next, Previous Cursor
	// Restarted reports that the request had a cursor that is not one of this listing,
	// and so the rows are the first ones.
	Restarted bool
}

// Cut returns the part that r asks for. read are its rows and, if there is one, the row
// beyond them, in the order in which they were read. back says that they were read from a
// place towards the first row of the listing; inside, that they were read from a place and
// not from an end. place returns the place of a row.
func Cut[T any](read []T, r Request, back, inside bool, place func(T) Cursor) (l List[T]) {
	l.Restarted = !inside && (r.After != "" || r.Before != "")
	if len(read) == 0 {
		return l
	}
	more := len(read) > r.Max() // in the direction of reading
	l.Rows = read[:min(len(read), r.Max())]
	if back {
		slices.Reverse(l.Rows)
	}
	if more || back {
		l.Next = place(l.Rows[len(l.Rows)-1])
	}
	if more && back || inside && !back {
		l.Previous = place(l.Rows[0])
	}
	return l
}

// Rows returns the rows of a page, for callers that read only one page.
func Rows[T any](l List[T], err error) ([]T, error) { return l.Rows, err }

// All reads page after page with at most limit rows each, and yields each row. It stops
// after the first error.
func All[T any](limit int, read func(Request) (List[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		r := Request{Limit: limit}
		for {
			l, err := read(r)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, row := range l.Rows {
				if !yield(row, nil) {
					return
				}
			}
			if l.Next == "" {
				return
			}
			r.After = l.Next
		}
	}
}

// Cursor is the place of a row in the order of its listing, as a text for links. If
// empty, it is not a place. It contains the values that the listing is ordered by, and no
// secrets.
type Cursor string

// NewCursor returns the place of the row with the given values: texts, and integers
// as int64.
func NewCursor(values ...any) Cursor {
	text, err := json.Marshal(values)
	if err != nil {
		panic(err) // cannot fail: texts and integers can be encoded
	}
	return Cursor(base64.RawURLEncoding.EncodeToString(text))
}

// Values returns the n values of a cursor. ok is false for any other text, so that an
// invalid link leads to the first rows.
func (c Cursor) Values(n int) (values []any, ok bool) {
	text, err := base64.RawURLEncoding.DecodeString(string(c))
	if err != nil {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&values); err != nil || len(values) != n {
		return nil, false
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, false
	}
	for i, v := range values {
		switch v := v.(type) {
		case string:
			if strings.ContainsRune(v, 0) {
				return nil, false // not every database can store such texts
			}
		case json.Number:
			n, err := v.Int64()
			if err != nil {
				return nil, false
			}
			values[i] = n
		default:
			return nil, false
		}
	}
	return values, true
}
