package db

import (
	"sync/atomic"
	"time"
)

// bound is how old the last look at the feed may be for cached entries to be
// used: what another node changed holds here within it.
const bound = time.Second

// freshness is when a process last looked at the feed.
type freshness struct{ nanos atomic.Int64 }

// epoch is what times of the monotonic clock are counted from.
var epoch = time.Now()

// now returns the time of a look that begins.
func (*freshness) now() time.Duration { return time.Since(epoch) }

// set notes a look that began then and succeeded.
func (f *freshness) set(began time.Duration) { f.nanos.Store(int64(began)) }

// age returns how long ago the last look began.
func (f *freshness) age() time.Duration { return time.Since(epoch) - time.Duration(f.nanos.Load()) }
