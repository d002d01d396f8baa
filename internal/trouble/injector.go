package trouble

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Injector makes the answers of a handler go wrong. Its zero value changes nothing.
// It is safe for concurrent use.
type Injector struct {
	// Next answers. Required.
	Next http.Handler
	// AcceptsJWT answers as Next does, and accepts JWTs where Next does not. Nil:
	// Next.
	AcceptsJWT http.Handler
	// Skew calls serve while the server's clock is ahead by d. Nil: only the header
	// Date is.
	Skew func(d time.Duration, serve func())
	// Seed is that of the chances: the same seed makes the same requests fail.
	Seed uint64
	// Now is the server's clock. Nil: time.Now.
	Now func() time.Time

	mu     sync.Mutex
	faults []*injected
	last   int // the number of the last fault

	turn sync.RWMutex // one request has another clock, while no other is answered
}

// injected is a fault that was injected.
type injected struct {
	Fault
	kind       Kind
	number     int
	left, skip int // left is how many requests it still affects, if Times is not 0
	chance     *rand.Rand
}

// Numbered is a fault that was injected, with its number.
type Numbered struct {
	// Number tells faults apart.
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

// Set replaces all faults. Numbers and chances begin again.
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

// List returns the faults that are not used up, with what is left of them.
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

// serve lets h answer by the usual clock.
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

// seconds is a length of time as Retry-After has it.
func seconds(s float64) string { return strconv.Itoa(int(max(1, s))) }
