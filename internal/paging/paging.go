// Package paging is the parts in which a long listing is read.
//
// It owns what a caller asks for (Request), what it gets (List), and the text that
// names a row's place in a listing (Cursor). It does not own how a part is read from
// a table: that is package store's.
package paging

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"iter"
	"strings"
)

// DefaultLimit is how many rows a Request without a limit asks for.
const DefaultLimit = 100

// Counted is how far rows are counted. A higher count means that there are more: to
// count a million rows is to read them.
const Counted = 10_000

// Request says which part of a listing is read. The zero value is the first rows.
type Request struct {
	// After and Before are the place after or before which the rows are. At most one
	// is set. A place whose row was removed still has rows around it.
	After, Before Cursor
	// Limit is how many rows are read at most. Zero: DefaultLimit.
	Limit int
}

// Max returns how many rows are read at most.
func (r Request) Max() int {
	if r.Limit <= 0 {
		return DefaultLimit
	}
	return r.Limit
}

// List is a part of a listing. A row whose place changes while somebody reads part after
// part, such as a device that is renamed, may be in two parts or in none: it is where it
// belongs when the listing is read again.
type List[T any] struct {
	Rows []T
	// Next is the place after which there are more rows, and Previous the one before
	// which there are. Empty: no such page.
	Next, Previous Cursor
}

// Rows returns the rows of a part for callers who read no other.
func Rows[T any](l List[T], err error) ([]T, error) { return l.Rows, err }

// All reads part after part, as many rows at a time as limit says, and yields each
// row. It ends with the first error.
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

// Cursor is the place of a row in the order of its listing, as a text that can stand
// in a link. Empty: no place. It holds the values that the listing is ordered by,
// and no secret.
type Cursor string

// NewCursor returns the place of the row with the given values: texts, and integers
// as int64.
func NewCursor(values ...any) Cursor {
	text, err := json.Marshal(values)
	if err != nil {
		panic(err) // texts and integers have a form in JSON
	}
	return Cursor(base64.RawURLEncoding.EncodeToString(text))
}

// Values returns the n values of a cursor. A text that is not such a cursor has
// none: a misspelt link leads to the first rows.
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
				return nil, false // not every database has such texts
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
