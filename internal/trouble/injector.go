package trouble

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Injector injects faults into the responses of a handler. Without faults, it changes
// nothing. It is safe for concurrent use.
type Injector struct {
	// Next is the handler. Required.
	Next http.Handler
	// AcceptsJWT is a handler like Next, except that it accepts JWTs on the media
	// plane. If nil, it is Next.
	AcceptsJWT http.Handler
	// Skew calls serve while the server's clock is ahead by d. If nil, only the Date
	// header is changed.
	Skew func(d time.Duration, serve func())
	// Seed is the seed of Chance: with the same seed, the same requests are affected.
	Seed uint64
	// Now returns the time of the server. If nil, time.Now is used.
	Now func() time.Time

	mu     sync.Mutex
	faults []*injected
	last   int // the number of the last fault

	turn sync.RWMutex // write-locked while a request is answered with a skewed clock
}

// injected is an injected fault.
type injected struct {
	Fault
	kind       Kind
	number     int
	left, skip int // left is the number of requests that it still affects, if Times is not 0
	chance     *rand.Rand
}

// Numbered is an injected fault with its number.
type Numbered struct {
	// Number identifies the fault.
	Number int `json:"id"`
	Fault
}

// Add injects a fault and returns its number. If several match a request, the one
// that was added first applies.
func (in *Injector) Add(f Fault) (number int, err error) {
	if err := f.Check(); err != nil {
		return 0, err
	}
	k, _ := find(f.Name)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.last++
	in.faults = append(in.faults, &injected{
		Fault: f.withDefaults(k), kind: k, number: in.last, left: f.Times, skip: f.Skip,
		chance: rand.New(rand.NewPCG(in.Seed, uint64(in.last))),
	})
	return in.last, nil
}

// Remove removes the fault with a number, and reports whether there was one.
func (in *Injector) Remove(number int) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	before := len(in.faults)
	in.faults = slices.DeleteFunc(in.faults, func(f *injected) bool { return f.number == number })
	return len(in.faults) < before
}

// Set replaces all faults. The numbers and the sequence of chances start again.
func (in *Injector) Set(list []Fault) error {
	in.mu.Lock()
	in.faults, in.last = nil, 0
	in.mu.Unlock()
	for _, f := range list {
		if _, err := in.Add(f); err != nil {
			return err
		}
	}
	return nil
}

// List returns the faults that are not used up, with their remaining Times and Skip.
func (in *Injector) List() []Numbered {
	in.mu.Lock()
	defer in.mu.Unlock()
	list := make([]Numbered, 0, len(in.faults))
	for _, f := range in.faults {
		left := f.Fault
		left.Times, left.Skip = f.left, f.skip
		list = append(list, Numbered{f.number, left})
	}
	return list
}

// take returns the fault for a request, and counts it. It returns nil if no fault applies.
func (in *Injector) take(r *http.Request) *injected {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i, f := range in.faults {
		if !f.matches(f.kind, r) {
			continue
		}
		if f.skip > 0 {
			f.skip--
			continue
		}
		if f.Chance > 0 && f.Chance < 1 && f.chance.Float64() >= f.Chance {
			continue
		}
		if f.left > 0 {
			if f.left--; f.left == 0 {
				in.faults = slices.Delete(in.faults, i, i+1)
			}
		}
		return f
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (in *Injector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := in.take(r)
	if f == nil {
		in.serve(in.Next, w, r)
		return
	}
	f.kind.answer(&call{in: in, fault: f.Fault, w: w, header: w.Header(), r: r})
}

// serve calls h with the usual clock.
func (in *Injector) serve(h http.Handler, w http.ResponseWriter, r *http.Request) {
	in.turn.RLock()
	defer in.turn.RUnlock()
	h.ServeHTTP(w, r)
}

func (in *Injector) now() time.Time {
	if in.Now == nil {
		return time.Now()
	}
	return in.Now()
}

// seconds formats a duration for Retry-After.
func seconds(s float64) string { return strconv.Itoa(int(max(1, s))) }
