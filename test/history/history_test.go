package history_test

import (
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/test/history"
)

// Each line is an event: its kind, its answer, and the seconds at which it was sent and
// answered.
func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name, events string
		good         bool
	}{
		{"nothing", "", true},
		{"given and checked", "give yes 0 1\ncheck yes 2 3", true},
		{"checked before it was given", "give yes 3 4\ncheck yes 0 1", false},
		{"lost", "give yes 0 1\ncheck no 2 3", false},
		{"lost, after it was there", "give yes 0 1\ncheck yes 2 3\ncheck no 4 5", false},
		{"ended", "give yes 0 1\nend yes 2 3\ncheck no 4 5", true},
		{"checked within the bound after its end", "give yes 0 1\nend yes 2 3\ncheck yes 3.9 4", true},
		{"checked beyond the bound", "give yes 0 1\nend yes 2 3\ncheck yes 4.1 5", false},
		{"two nodes disagree within the bound", "give yes 0 1\nend yes 2 3\ncheck no 3.1 3.2\ncheck yes 3.3 3.4", true},
		{"a slow check that was sent within the bound", "give yes 0 1\nend yes 2 3\ncheck yes 3.5 9", true},
		{"comes back after its end", "give yes 0 1\nend yes 2 3\ncheck no 4 5\ncheck yes 6 7", false},
		{"ended twice", "give yes 0 1\nend yes 2 3\nend yes 4 5", false},
		{"ended by one of two at the same time", "give yes 0 1\nend yes 2 4\nend no 2 4", true},
		{"ended, says who does not know, and gone", "give yes 0 1\nend unknown 2 3\ncheck no 4 5", true},
		{"ended, says who does not know, and there", "give yes 0 1\nend unknown 2 3\ncheck yes 8 9", true},
		{"there, and gone later, after an end that nobody answered", "give yes 0 1\nend unknown 2 3\ncheck yes 8 9\ncheck no 10 11", true},
		{"gone, and there again", "give yes 0 1\nend unknown 2 3\ncheck no 4 5\ncheck yes 8 9", false},
		{"an end is denied while it is good", "give yes 0 1\nend no 2 3", false},
		{"a check that nobody answered", "give yes 0 1\ncheck unknown 2 3\ncheck yes 4 5", true},
		{"used once", "use yes 0 1\nuse no 2 3", true},
		{"used twice", "use yes 0 1\nuse yes 2 3", false},
		{"used twice at the same time", "use yes 0 3\nuse yes 0 3", false},
		{"refused, and used later", "use no 0 1\nuse yes 2 3", true},
		{"used by a request that nobody answered", "use unknown 0 1\nuse no 2 3", true},
		{"not used by a request that nobody answered", "use unknown 0 1\nuse yes 2 3", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var h history.History
			start := time.Unix(1_000_000, 0)
			at := func(seconds string) time.Time {
				d, err := time.ParseDuration(seconds + "s")
				if err != nil {
					t.Fatal(err)
				}
				return start.Add(d)
			}
			for line := range strings.Lines(test.events) {
				f := strings.Fields(line)
				h.Add(history.Event{
					Key: "token 1", Kind: history.Kind(f[0]), Answer: history.Answer(f[1]), Sent: at(f[2]), Answered: at(f[3]),
				})
			}
			errs := h.Check(time.Second)
			if test.good != (len(errs) == 0) {
				t.Errorf("right is %v, and the errors are %v", test.good, errs)
			}
		})
	}
}

// Thousands of overlapping events are judged quickly, even if they are wrong. Some checks
// are a moment too late, and some requests have no answer.
func TestManyEvents(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	for _, late := range []bool{false, true} {
		var h history.History
		add := func(key string, kind history.Kind, answer history.Answer, sent, answered int) {
			h.Add(history.Event{Key: key, Kind: kind, Answer: answer, Sent: at(sent), Answered: at(answered)})
		}
		add("token", history.Give, history.Yes, 0, 1)
		add("token", history.End, history.Yes, 2000, 2001)
		for i := range 1500 {
			add("token", history.Check, history.Yes, 2*i+1, 2*i+11)
			add("code", history.Use, history.Unknown, i, i+5)
		}
		add("code", history.Use, history.Yes, 5000, 5001)
		if late {
			add("token", history.Check, history.Yes, 3002, 3003)
			add("code", history.Use, history.Yes, 6000, 6001)
		}
		began := time.Now()
		if errs := h.Check(time.Second); late != (len(errs) == 2) {
			t.Errorf("with events that came late: %v, the errors are %v", late, errs)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("judging took %v", took)
		}
	}
}
