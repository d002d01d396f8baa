package paging_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/usher-auth/usher/internal/paging"
)

func TestCursor(t *testing.T) {
	for _, values := range [][]any{
		{int64(1)}, {int64(math.MaxInt64), int64(math.MinInt64)}, {"", int64(0)}, {"a \"name\", and\n<b>é日</b>", int64(-5)},
	} {
		c := paging.NewCursor(values...)
		got, ok := c.Values(len(values))
		if !ok || !slices.Equal(got, values) {
			t.Errorf("%q has the values %v, %v, want %v", c, got, ok, values)
		}
		if _, ok := c.Values(len(values) + 1); ok {
			t.Errorf("%q has %d values", c, len(values)+1)
		}
	}
}

// A misspelt or forged link has no values: no other type ever reaches a query.
func TestInvalidCursor(t *testing.T) {
	for _, c := range []paging.Cursor{"", "?", "1", "WzFd=", paging.Cursor("W3RydWVd"), // [true]
		"W251bGxd", "WzEuNV0", "W1sxXV0", "WzFdWzFd", "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5OV0"} {
		if got, ok := c.Values(1); ok {
			t.Errorf("%q has the values %v", c, got)
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("WzFd", 1)
	f.Add(string(paging.NewCursor("a", int64(2))), 2)
	f.Fuzz(func(t *testing.T, text string, n int) {
		values, ok := paging.Cursor(text).Values(n)
		if !ok {
			return
		}
		again, ok := paging.NewCursor(values...).Values(n)
		if !ok || !slices.Equal(again, values) {
			t.Errorf("%q has the values %v, and they %v", text, values, again)
		}
	})
}

func TestAll(t *testing.T) {
	var limits []int
	read := func(r paging.Request) (paging.List[int], error) {
		limits = append(limits, r.Max())
		from := 0
		if v, ok := r.After.Values(1); ok {
			from = int(v[0].(int64))
		}
		l := paging.List[int]{Rows: []int{from, from + 1}, Next: paging.NewCursor(int64(from + 2))}
		if from == 4 {
			l.Next = ""
		}
		return l, nil
	}
	var got []int
	for n, err := range paging.All(2, read) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, n)
	}
	if fmt.Sprint(got, limits) != "[0 1 2 3 4 5] [2 2 2]" {
		t.Errorf("got %v by limits %v", got, limits)
	}
	for n := range paging.All(2, read) {
		if n == 1 {
			break // reads no further part
		}
	}
	if len(limits) != 4 {
		t.Errorf("%d parts were read, want 4", len(limits))
	}
	broken := errors.New("broken")
	for _, err := range paging.All(0, func(paging.Request) (paging.List[int], error) { return paging.List[int]{}, broken }) {
		if !errors.Is(err, broken) {
			t.Errorf("the error is %v", err)
		}
	}
}
