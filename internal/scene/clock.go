package scene

import (
	"sync"
	"time"
)

// Clock is a clock that tests move. It is safe for concurrent use.
type Clock struct {
	mu     sync.Mutex
	at     time.Time // the time that it showed at since
	since  time.Time // by the machine's clock
	frozen bool
	ahead  time.Duration // of what it would say
}

// Clock returns the clock of the scene, which starts now.
func (s Scene) Clock() *Clock {
	c := new(Clock)
	c.Restart(s)
	return c
}

// Restart resets the clock to the initial time of a scene.
func (c *Clock) Restart(s Scene) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.since, c.frozen, c.ahead = s.Time, now, s.Frozen, 0
	if c.at.IsZero() {
		c.at = now
	}
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now().Add(c.ahead)
}

func (c *Clock) now() time.Time {
	if c.frozen {
		return c.at
	}
	return c.at.Add(time.Since(c.since))
}

// Set sets the time.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.since = t, time.Now()
}

// Advance moves the clock, back if d is negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// Freeze stops the clock if frozen is true, and otherwise lets it run.
func (c *Clock) Freeze(frozen bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.since, c.frozen = c.now(), time.Now(), frozen
}

// Frozen reports whether the clock is stopped.
func (c *Clock) Frozen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.frozen
}

// Skew calls f while the clock is ahead by d.
func (c *Clock) Skew(d time.Duration, f func()) {
	c.shift(d)
	defer c.shift(-d)
	f()
}

func (c *Clock) shift(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}
