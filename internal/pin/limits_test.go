package pin_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/pin"
)

// tries is the default of usher serve.
const tries = 10

// The probability that someone who guesses all the time hits a pending PIN. The number
// of attempts is measured, not computed: the guesser of this test never stops.
func TestGuessingIsHopeless(t *testing.T) {
	inFixture(t, tries, func(t *testing.T, w *fixture) {
		guesses := 0
		count := func(err error) {
			if errors.Is(err, pin.ErrNotFound) {
				guesses++
			} else {
				tooMany(t, "attack: guessing", err)
			}
		}
		for end := time.Now().Add(pin.ShortTTL); time.Now().Before(end); time.Sleep(time.Second) {
			for range 5 {
				count(w.Link(t.Context(), w.mia, "CCCC"))
				_, err := w.FindUnasked(t.Context(), w.mia, "CCCC")
				count(err)
			}
		}
		// Ten in a row and one every three minutes, during the life of a PIN, and one in a
		// link.
		if want := tries + int(pin.ShortTTL/pin.WrongRefill) + 1; guesses > want {
			t.Errorf("%d guesses got through, want %d", guesses, want)
		}
		t.Logf("%d guesses, %d codes, %d PINs at most", guesses, pin.ShortCodes, pin.MaxShort)
		if one := float64(guesses) / float64(pin.ShortCodes); one > 1./10_000 {
			t.Errorf("a certain PIN is hit with a probability of %.6f, want less than one in ten thousand", one)
		}
		if some := float64(guesses) * pin.MaxShort / float64(pin.ShortCodes); some > 1./50 {
			t.Errorf("some PIN of all that may wait is hit with a probability of %.4f, want less than one in fifty", some)
		}
	})
}

// Attack: someone who knows the client identifier guesses an ID, to get the token.
func TestGuessingIDsIsHopeless(t *testing.T) {
	inFixture(t, tries, func(t *testing.T, w *fixture) {
		const rounds = 100 // of a second, each with more guesses than get through
		guesses := 0
		for range rounds {
			for range pin.PollBurst {
				_, err := w.poll(t, 1, "tv")
				if !errors.Is(err, pin.ErrNotFound) {
					tooMany(t, "attack: guessing IDs", err)
					break
				}
				guesses++
			}
			time.Sleep(time.Second)
		}
		perSecond := float64(time.Second) / float64(pin.PollRefill)
		if want := pin.PollBurst + rounds*perSecond; float64(guesses) > want {
			t.Errorf("%d guesses got through, want %.0f", guesses, want)
		}
		all := pin.PollBurst + pin.StrongTTL.Seconds()*perSecond
		if chance := all / (1 << 31); chance > 1./100_000 {
			t.Errorf("an ID is hit with a probability of %.7f in its life, want less than 0.00001", chance)
		}
	})
}

// After too many wrong codes, a correct one is rejected, too. Concurrent guesses, and
// correct codes between wrong ones, do not help.
func TestGuessingIsBounded(t *testing.T) {
	t.Run("a right code after too many wrong ones", func(t *testing.T) {
		inFixture(t, tries, func(t *testing.T, w *fixture) {
			p := w.start(t, "tv", false)
			for range tries {
				gone(t, "a wrong code", w.Link(t.Context(), w.mia, "CCCC"))
			}
			tooMany(t, "attack: the right one after that", w.Link(t.Context(), w.mia, p.Code))
			_, err := w.Find(t.Context(), w.mia, p.Code)
			tooMany(t, "attack: looking instead of linking", err)
			w.link(t, w.start(t, "phone", false).Code, w.noa) // others are not limited
			time.Sleep(pin.WrongRefill)
			w.link(t, p.Code, w.mia)
		})
	})
	t.Run("at the same time", func(t *testing.T) {
		inFixture(t, tries, func(t *testing.T, w *fixture) {
			errs := make([]error, 500)
			var wg sync.WaitGroup
			for i := range errs {
				wg.Go(func() { _, errs[i] = w.Find(t.Context(), w.mia, "CCCC") })
			}
			wg.Wait()
			through := 0
			for _, err := range errs {
				if errors.Is(err, pin.ErrNotFound) {
					through++
				}
			}
			if through > tries {
				t.Errorf("attack: of 500 guesses at the same time, %d got through, want %d", through, tries)
			}
		})
	})
	t.Run("with right codes between", func(t *testing.T) {
		inFixture(t, tries, func(t *testing.T, w *fixture) {
			own := w.start(t, "own", false)
			for range tries {
				if _, err := w.Find(t.Context(), w.mia, own.Code); err != nil {
					t.Fatal(err)
				}
				_, err := w.Find(t.Context(), w.mia, "CCCC")
				gone(t, "a wrong code", err)
			}
			_, err := w.Find(t.Context(), w.mia, "CCCC")
			tooMany(t, "attack: codes of PINs of one's own forgive wrong ones", err)
		})
	})
	t.Run("with others between that nobody guesses", func(t *testing.T) {
		inFixture(t, tries, func(t *testing.T, w *fixture) {
			for range 20 * tries {
				for _, code := range []string{"", "CCC", "CCC0", strings.Repeat("c", 25)} {
					_, err := w.Find(t.Context(), w.mia, code)
					gone(t, code, err)
				}
			}
			for range tries {
				gone(t, "a wrong code", w.Link(t.Context(), w.mia, "CCCC"))
			}
			_, err := w.Find(t.Context(), w.mia, "CCCC")
			tooMany(t, "attack: one more", err)
			w.link(t, w.start(t, "tv", true).Code, w.mia)
		})
	})
	t.Run("by many accounts from one address", func(t *testing.T) {
		inFixture(t, tries, func(t *testing.T, w *fixture) {
			through := 0
			for account := range int64(50) {
				for range tries {
					if errors.Is(w.Link(t.Context(), audit.Actor{AccountID: account, Address: "one"}, "CCCC"), pin.ErrNotFound) {
						through++
					}
				}
			}
			if through > 10*tries {
				t.Errorf("attack: %d guesses got through from one address, want %d", through, 10*tries)
			}
		})
	})
}

// A program that polls twice a second during the lifetime of a PIN is never rate
// limited, whatever others do behind the same router, even if it continues afterwards.
func TestPollersAreNeverRefused(t *testing.T) {
	inFixture(t, tries, func(t *testing.T, w *fixture) {
		p := w.start(t, "tv", true)
		poll := func(id int64, client string) error {
			_, _, err := w.Get(t.Context(), id, client, "home")
			return err
		}
		for time.Now().Before(p.ExpiresAt) {
			if err := poll(p.ID, "tv"); err != nil {
				t.Fatalf("%v before its end: %v", time.Until(p.ExpiresAt), err)
			}
			time.Sleep(pin.Pace)
			if time.Until(p.ExpiresAt).Truncate(pin.Pace) != pin.StrongTTL/2 {
				continue
			}
			refused := false // another user of the same network requests anything
			for i := range 20 * pin.PollBurst {
				refused = refused || !errors.Is(poll(int64(i), fmt.Sprint("spy", i)), pin.ErrNotFound)
			}
			if !refused {
				t.Error("the house has not reached its limit")
			}
		}
		next := w.start(t, "tv", true)
		for range 2000 { // the program polls both for a quarter of an hour
			gone(t, "the expired one", poll(p.ID, "tv"))
			if err := poll(next.ID, "tv"); err != nil {
				t.Fatalf("the new one: %v", err)
			}
			time.Sleep(pin.Pace)
		}
	})
}

// Unknown IDs are also limited by address.
func TestUnknownIDsAreBounded(t *testing.T) {
	inFixture(t, tries, func(t *testing.T, w *fixture) {
		p := w.start(t, "tv", false)
		refused := false
		for i := range int64(20 * pin.PollBurst) {
			_, _, err := w.Get(t.Context(), i, fmt.Sprint("client", i), "address of tv")
			refused = refused || !errors.Is(err, pin.ErrNotFound)
		}
		if !refused {
			t.Error("attack: an address asked for any number of IDs")
		}
		if _, err := w.poll(t, p.ID, "tv"); err != nil {
			t.Errorf("a known one from there: %v", err)
		}
	})
}

// The number of PINs is limited, for each address and in total.
func TestPINsAreBounded(t *testing.T) {
	for _, strong := range []bool{false, true} {
		t.Run(fmt.Sprint("strong ", strong), func(t *testing.T) {
			inFixture(t, tries, func(t *testing.T, w *fixture) {
				made := 0
				for range 1000 {
					_, err := w.Start(t.Context(), device.Device{ClientIdentifier: "tv", Address: "one"}, strong, "")
					if err != nil {
						tooMany(t, "attack: one address makes PINs", err)
						break
					}
					made++
				}
				if made == 1000 {
					t.Error("attack: an address started any number of PINs")
				}
				w.start(t, "elsewhere", strong)
			})
		})
	}
	inFixture(t, tries, func(t *testing.T, w *fixture) {
		for i := range pin.MaxShort {
			w.start(t, fmt.Sprint("tv", i), false)
		}
		_, err := w.Start(t.Context(), device.Device{ClientIdentifier: "one more", Address: "one more"}, false, "")
		tooMany(t, "attack: many addresses make PINs", err)
		w.start(t, "strong", true) // the others are not limited
		time.Sleep(pin.ShortTTL)
		w.start(t, "one more", false)
	})
}

// Attack: one household, which has many IPv6 networks, prevents everyone else from
// starting a PIN.
func TestOneHouseholdLeavesRoomForOthers(t *testing.T) {
	inFixture(t, tries, func(t *testing.T, w *fixture) {
		from := func(address string) (pin.PIN, error) {
			return w.Start(t.Context(), device.Device{ClientIdentifier: "tv", Address: address}, false, "")
		}
		flood := func() (made []pin.PIN) {
			for network := range 256 {
				for {
					p, err := from(fmt.Sprintf("2001:db8:0:10%02x::%x", network, len(made)+1))
					if err != nil {
						tooMany(t, "attack: one household makes PINs", err)
						break
					}
					made = append(made, p)
					time.Sleep(time.Millisecond)
				}
			}
			return made
		}
		made := flood()
		if len(made) != pin.MaxShort {
			t.Fatalf("it started %d PINs, want all %d", len(made), pin.MaxShort)
		}
		polls := func(p pin.PIN) error {
			_, _, err := w.Get(t.Context(), p.ID, "tv", "192.0.2.1")
			return err
		}
		if err := polls(made[0]); err != nil {
			t.Fatal(err)
		}
		var honest []pin.PIN
		for _, address := range []string{"192.0.2.1", "::ffff:192.0.2.2", "2001:db8:1::1", "192.0.2.1"} {
			p, err := from(address)
			if err != nil {
				t.Fatalf("another user at %s: %v", address, err)
			}
			honest = append(honest, p)
		}
		for i, p := range made[:len(honest)] {
			gone(t, fmt.Sprintf("the household's oldest but %d", i), polls(p))
		}
		if err := polls(made[len(honest)]); err != nil {
			t.Errorf("one more PIN of the household was evicted: %v", err)
		}
		time.Sleep(3 * time.Minute)
		if n := len(flood()); n > 0 {
			t.Errorf("attack: it started %d more", n)
		}
		for _, p := range honest {
			w.link(t, p.Code, w.mia)
		}
	})
}

// Without limits, as in tests of other programs, no call is rate limited.
func TestWithoutLimits(t *testing.T) {
	inFixture(t, 0, func(t *testing.T, w *fixture) {
		for range 1000 {
			gone(t, "a wrong code", w.Link(t.Context(), w.mia, "CCCC"))
			_, err := w.poll(t, 1, "tv")
			gone(t, "an unknown ID", err)
		}
		for range 150 {
			w.start(t, "tv", false)
		}
	})
}

// No letter or digit of a short code looks like another one.
func TestAlphabet(t *testing.T) {
	for _, alike := range []string{"0OQ", "1IL", "2Z", "5S", "6G", "8B", "UV"} {
		n := 0
		for _, c := range alike {
			n += strings.Count(pin.ShortAlphabet, string(c))
		}
		if n > 1 {
			t.Errorf("%d of %s are in codes", n, alike)
		}
	}
	for _, c := range "AEIOU" {
		if strings.ContainsRune(pin.ShortAlphabet, c) {
			t.Errorf("codes with %c can be words", c)
		}
	}
}

func TestNormal(t *testing.T) {
	for _, row := range []struct {
		typed, want string
	}{
		{"CFHJ", "CFHJ"}, {"cfhj", "CFHJ"}, {" cF3j \n", "CF3J"}, {"", ""}, {"CFH", ""}, {"CFHJK", ""}, {"CFH0", ""},
		{"C FH", ""}, {"C-FH", ""}, {"CF\x00H", ""}, {"ſſ", ""}, {"%00C", ""},
		{"abcdefghijklmnopqrstuvwx0", "abcdefghijklmnopqrstuvwx0"}, {"ABCDEFGHIJKLMNOPQRSTUVWX0", "abcdefghijklmnopqrstuvwx0"},
		{"abcdefghijklmnopqrstuvwx", ""}, {"abcdefghijklmnopqrstuv\u212a", ""}, {"../../../../../etc/passwd", ""},
	} {
		if got, ok := pin.Normal(row.typed); got != row.want || ok != (row.want != "") {
			t.Errorf("Normal(%q) = %q, %v, want %q", row.typed, got, ok, row.want)
		}
	}
}

// Normal returns the canonical form of a code for any text, or none.
func FuzzNormal(f *testing.F) {
	for _, s := range []string{
		"CFHJ", " cfhj ", "abcdefghijklmnopqrstuvwx0", "ſſ", strings.Repeat("\u212a", 8) + "a", "\xff\xff\xff\xff",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := pin.Normal(typed)
		if !ok {
			if code != "" {
				t.Errorf("Normal(%q) = %q, which is not a code", typed, code)
			}
			return
		}
		alphabet := map[int]string{4: pin.ShortAlphabet, 25: pin.StrongAlphabet}[len(code)]
		if alphabet == "" || strings.Trim(code, alphabet) != "" || !strings.EqualFold(code, strings.TrimSpace(typed)) {
			t.Errorf("Normal(%q) = %q", typed, code)
		}
		if again, ok := pin.Normal(code); !ok || again != code {
			t.Errorf("Normal(%q) = %q, and Normal of that %q", typed, code, again)
		}
	})
}

// A network can start 30 PINs with short codes in a row, and then one every 20 seconds. For
// strong codes, the limits are ten times as high. It can try a hundred wrong codes in a
// row, from any account, and then one every 18 seconds.
func TestLimitsOfANetwork(t *testing.T) {
	inFixture(t, tries, func(t *testing.T, w *fixture) {
		d := device.Device{ClientIdentifier: "tv", Address: "192.0.2.1"}
		start := func(strong bool) func(int64) error {
			return func(int64) error { _, err := w.Start(t.Context(), d, strong, ""); return err }
		}
		for _, test := range []struct {
			name string
			do   func(i int64) error
			want int
			wait time.Duration
		}{
			{"short codes", start(false), 30, 20 * time.Second},
			{"long codes", start(true), 300, time.Second},
			{"wrong codes", func(i int64) error {
				err := w.Link(t.Context(), audit.Actor{AccountID: 1000 + i, Address: "192.0.2.1"}, "CCCC")
				if errors.Is(err, pin.ErrNotFound) {
					return nil
				}
				return err
			}, 100, 18 * time.Second},
		} {
			n := 0
			var err error
			for ; n <= 400 && err == nil; n++ {
				err = test.do(int64(n))
			}
			if n-1 != test.want || fault.WaitOf(err) != test.wait {
				t.Errorf("%s: after %d: %v with a wait of %v; want %d and %v", test.name, n-1, err, fault.WaitOf(err), test.want, test.wait)
			}
			time.Sleep(test.wait)
			if err := test.do(500); err != nil {
				t.Errorf("%s: after that wait: %v", test.name, err)
			}
			if err := test.do(501); fault.WaitOf(err) != test.wait {
				t.Errorf("%s: one more: %v with a wait of %v, want %v", test.name, err, fault.WaitOf(err), test.wait)
			}
		}
	})
}

// The lifetime of a PIN starts by the clock of the server.
func TestClock(t *testing.T) {
	c := coretest.New(t, core.Config{})
	p, err := c.PINs.Start(t.Context(), device.Device{ClientIdentifier: "tv"}, false, "")
	if want := c.Clock.Now().Add(pin.ShortTTL); err != nil || !p.ExpiresAt.Equal(want) {
		t.Errorf("it ends at %v, %v; want %v", p.ExpiresAt, err, want)
	}
	c.Clock.Advance(pin.ShortTTL)
	if _, _, err := c.PINs.Get(t.Context(), p.ID, "tv", "192.0.2.1"); !errors.Is(err, pin.ErrNotFound) {
		t.Errorf("at its end: %v, want ErrNotFound", err)
	}
}

// An ID has 31 bits, and is never 0, which means none.
func TestIDs(t *testing.T) {
	for _, test := range []struct {
		bits []byte
		want int64
	}{
		{[]byte{0, 0, 0, 2}, 1},
		{[]byte{0xff, 0xff, 0xff, 0xff}, 1<<31 - 1},
		{[]byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 6}, 3},
	} {
		if got := pin.NewID(bytes.NewReader(test.bits)); got != test.want {
			t.Errorf("of the bits %x, the ID is %d, want %d", test.bits, got, test.want)
		}
	}
}
