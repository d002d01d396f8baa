package store

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/paging"
)

// listing is a table of rows that is read in pages. Every page is a search in an
// index, wherever in the listing it is, and as fast as the first: there is no OFFSET,
// which reads and drops the rows before it.
type listing[T any] struct {
	// query is the statement up to its WHERE.
	query string
	scan  func(scanner) (T, error)
	// order is the columns that the rows are ordered by. They distinguish any two
	// rows, and an index has them, after the columns that the condition compares.
	order []string
	// start is values that come before those of every row.
	start []any
	// desc: the rows with the highest values come first.
	desc bool
	// place returns a row's values of order.
	place func(T) []any
}

// Values of integers before those of every row, in either direction.
const (
	lowest  = int64(math.MinInt64)
	highest = int64(math.MaxInt64)
)

// lastRune comes after every other character in the order of bytes.
const lastRune = string(unicode.MaxRune)

// page reads a page of the rows for which a condition on args holds; an empty
// condition holds for all.
func (l listing[T]) page(
	ctx context.Context, q db.Querier, r paging.Request, condition string, args ...any,
) (paging.List[T], error) {
	place, known, back := l.from(r)
	text := l.statement(condition, len(args), back)
	return l.read(ctx, q, r, known, back, text, slices.Concat(args, place)...)
}

// span is the part of the texts with a prefix in which a page is, and how it is read.
// The cursor moves one of the two bounds: with a condition for each, the database
// could search by the one and then compare all rows between with the other.
type span struct {
	compare, direction string // > or >= for first, ASC or DESC
	first, end         string
	known, back        bool // as in read
}

// within returns the span of a page. The first column of the order must be a text.
func (l listing[T]) within(r paging.Request, prefix string) span {
	place, known, back := l.from(r)
	key := place[0].(string)
	known = known && strings.HasPrefix(key, prefix)
	return newSpan(prefix, key, known, back && known)
}

// newSpan returns the span of a page after key, or before it if back is set. If key
// is not known, the page begins at the first text with the prefix, or the last one.
func newSpan(prefix, key string, known, back bool) span {
	s := span{">=", "ASC", prefix, prefix + lastRune, known, back}
	if back {
		s.direction = "DESC"
	}
	switch {
	case known && back:
		s.end = key
	case known:
		s.compare, s.first = ">", key
	}
	return s
}

// read reads a page with a statement, whose last parameter is a limit. known: the
// statement begins at the place of a cursor. back: it reads the rows before that,
// the nearest first.
func (l listing[T]) read(
	ctx context.Context, q db.Querier, r paging.Request, known, back bool, text string, args ...any,
) (found paging.List[T], err error) {
	rows, err := q.Query(ctx, text, append(args, r.Max()+1)...)
	list, err := collect(rows, err, l.scan)
	if err != nil {
		return found, err
	}
	return l.cut(list, r, known, back), nil
}

// cut cuts what was read with a limit of one more to a page.
func (l listing[T]) cut(list []T, r paging.Request, known, back bool) paging.List[T] {
	return paging.Cut(list, r, back, known, func(row T) paging.Cursor { return paging.NewCursor(l.place(row)...) })
}

// from returns the place where a page begins: that of the request's cursor, if
// it is one of this listing, or the start.
func (l listing[T]) from(r paging.Request) (place []any, known, back bool) {
	cursor := r.After
	if cursor == "" && r.Before != "" {
		cursor, back = r.Before, true
	}
	place, known = l.values(cursor)
	if !known {
		return l.start, false, false
	}
	return place, true, back
}

// values returns the values of a cursor of this listing.
func (l listing[T]) values(c paging.Cursor) ([]any, bool) {
	values, ok := c.Values(len(l.order))
	return values, ok && slices.EqualFunc(values, l.start, func(a, b any) bool {
		return reflect.TypeOf(a) == reflect.TypeOf(b)
	})
}

// statement returns the text of a query. It is one of two for each condition, since
// each statement stays prepared.
func (l listing[T]) statement(condition string, args int, back bool) string {
	compare, direction := ">", "ASC"
	if l.desc != back {
		compare, direction = "<", "DESC"
	}
	if condition != "" {
		condition += " AND "
	}
	columns := strings.Join(l.order, ", ")
	ordered := strings.Join(l.order, " "+direction+", ") + " " + direction
	if len(l.order) > 1 {
		columns = "(" + columns + ")"
	}
	bounds := parameters(args+1, len(l.order))
	if len(l.order) > 1 {
		bounds = "(" + bounds + ")"
	}
	return fmt.Sprintf("%sWHERE %s%s %s %s ORDER BY %s LIMIT $%d",
		l.query, condition, columns, compare, bounds, ordered, args+len(l.order)+1)
}

// count returns an expression that counts the rows of a table for which a condition
// holds. It stops at one more than paging.Counted.
func count(table, condition string) string {
	return fmt.Sprintf("(SELECT COUNT(*) FROM (SELECT 1 FROM %s WHERE %s LIMIT %d) AS few)",
		table, condition, paging.Counted+1)
}
