package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A table fits the terminal's width: the widest columns are cut first.
func TestFit(t *testing.T) {
	rows := func() [][]string {
		return [][]string{{"ID", "NAME", "WHERE"}, {"1", "a name of 20 letters", "http://a.host.of.40.letters.example.org/"}}
	}
	for _, c := range []struct {
		width int
		want  []string
	}{
		{0, []string{"1", "a name of 20 letters", "http://a.host.of.40.letters.example.org/"}}, // not a terminal
		{66, []string{"1", "a name of 20 letters", "http://a.host.of.40.letters.example.org/"}},
		{65, []string{"1", "a name of 20 letters", "http://a.host.of.40.letters.example.or…"}},
		{40, []string{"1", "a name of 20 let…", "http://a.host.of…"}},
		{10, []string{"1", "a name …", "http://…"}}, // no narrower
	} {
		got := rows()
		fit(got, c.width)
		if diff := cmp.Diff(c.want, got[1]); diff != "" {
			t.Errorf("in %d columns (-want +got):\n%s", c.width, diff)
		}
	}
}
