package scene

import (
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"sync"
)

// Dice is the source of randomness of a scene with a seed. In every run, each service
// gets the same bits in the same order.
type Dice struct {
	seed string

	mu      sync.Mutex
	act     string
	streams map[string]*stream
}

// Dice returns the dice of a scene, or nil if it has no seed.
func (s Scene) Dice() *Dice {
	if s.Seed == "" {
		return nil
	}
	return &Dice{seed: s.Seed, act: "scene", streams: make(map[string]*stream)}
}

// Of returns the source of randomness of a service, for core.Config.
func (d *Dice) Of(service string) io.Reader {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.streams[service] == nil {
		d.streams[service] = new(stream)
		d.streams[service].restart(d.seed, d.act, service)
	}
	return d.streams[service]
}

// Restart restarts the bits that follow the scene. The bits of the scene itself are not
// repeated, because the same ids and tokens exist already.
func (d *Dice) Restart() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.act = "run"
	for service, s := range d.streams {
		s.restart(d.seed, d.act, service)
	}
}

// stream is the source of randomness of one service. It is safe for concurrent use.
type stream struct {
	mu   sync.Mutex
	bits *rand.ChaCha8
}

func (s *stream) restart(seed, act, service string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bits = rand.NewChaCha8(sha256.Sum256([]byte(seed + "\x00" + act + "\x00" + service)))
}

// Read implements io.Reader. It never fails.
func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bits.Read(p)
}
