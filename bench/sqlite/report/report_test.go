package main

import (
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const out = `goos: linux
BenchmarkLookup/mattn-2      	  165586	      3333 ns/op	     575 B/op	      14 allocs/op
BenchmarkLookup/mattn-2      	  165586	      4333.5 ns/op	     575 B/op	      15 allocs/op
BenchmarkInsertGroup/zombiezen	   19122	     31367 ns/op	       0 B/op	       0 allocs/op
PASS
`
	s := make(samples)
	if got := s.parse(out); got != 3 {
		t.Errorf("parse: got %d results, want 3", got)
	}
	for _, want := range []struct {
		row, driver string
		values      []float64
	}{
		{"Lookup", "mattn", []float64{3.333, 4.3335}},
		{"Lookup allocs", "mattn", []float64{14, 15}},
		{"InsertGroup", "zombiezen", []float64{31.367}}, // one processor: no suffix
	} {
		if got := s.cell(want.row, want.driver).values; !slices.Equal(got, want.values) {
			t.Errorf("%s of %s: got %v, want %v", want.row, want.driver, got, want.values)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 3}, 3},
		{[]float64{9, 1, 3, 5}, 4},
	} {
		if got := median(test.values); got != test.want {
			t.Errorf("median(%v): got %v, want %v", test.values, got, test.want)
		}
	}
}

func TestPrint(t *testing.T) {
	s := make(samples)
	s.add("Insert", "mattn", 100)
	s.add("Insert", "mattn", 300)
	s.note("version", "mattn", "v1")
	var b strings.Builder
	if err := s.print(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| | modernc | zombiezen | mattn | none | spread |\n",
		"| module version |  |  | v1 |  | |\n",
		"| durable insert, one per commit, µs |  |  | 200 |  | 100 % |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("got\n%s\nwhich lacks %q", b.String(), want)
		}
	}
}
