package stage

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/scene"
	"github.com/usher-auth/usher/internal/server"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/traffic"
	"github.com/usher-auth/usher/internal/trouble"
)

// MediaPort is a media server's port.
const MediaPort = 32400

// Config configures a Stage. Only Scene is required.
type Config struct {
	// Scene is the initial state.
	Scene scene.Scene
	// Traffic records the requests. If nil, Open creates a Recorder.
	Traffic *traffic.Recorder
	// By is the actor of the scene's changes in the audit log.
	By audit.Actor
	// Version is the version of usher.
	Version string
	// Strict rejects requests that the real services reject and usher otherwise
	// accepts: see StrictRules.
	Strict bool
}

// Stage is a running usher with a scene. It is safe for concurrent use.
type Stage struct {
	// Clock is the clock of the server.
	Clock *scene.Clock
	// Faults injects faults.
	Faults *trouble.Injector
	// Traffic records the requests.
	Traffic *traffic.Recorder

	cfg     Config
	dice    *scene.Dice // nil: ids, tokens and codes are random
	handler http.Handler
	now     atomic.Pointer[instance]
	cast    *scene.Cast // at the start
	mu      sync.Mutex  // guards changes of now

	marked  chan struct{} // closed when the initial state is saved
	markErr error         // why it could not be saved; read after marked is closed
}

// instance is the server between two resets.
type instance struct {
	core *core.Core
	cast *scene.Cast
	// handler is the server, and acceptsJWT a server whose media plane accepts JWTs.
	// Each is built on first use.
	handler, acceptsJWT func() http.Handler
}

// Open starts an usher in memory with a scene.
func Open(ctx context.Context, cfg Config) (*Stage, error) {
	s := &Stage{cfg: cfg, Clock: cfg.Scene.Clock(), Traffic: cfg.Traffic, dice: cfg.Scene.Dice(), marked: make(chan struct{})}
	if s.Traffic == nil {
		s.Traffic = new(traffic.Recorder)
	}
	open := cfg.Scene.Config()
	open.Now, open.By = s.Clock.Now, cfg.By
	open.Self = &source.Self{
		MachineIdentifier: scene.MachineIdentifier,
		Connections: []source.Connection{
			{URI: "https://127-0-0-1." + scene.MachineIdentifier[:32] + ".plex.direct:" + strconv.Itoa(MediaPort), Local: true},
			{URI: "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(MediaPort)), Local: true},
		},
	}
	if s.dice != nil {
		open.Random = s.dice.Of
	}
	c, err := core.Open(ctx, open)
	if err != nil {
		return nil, err
	}
	if err := s.play(ctx, c); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return s, nil
}

// play adds the content of the scene, and saves the state for Reset.
func (s *Stage) play(ctx context.Context, c *core.Core) (err error) {
	if s.cast, err = s.cfg.Scene.Play(ctx, s.cfg.By, c); err != nil {
		return err
	}
	if s.dice != nil { // as after a reset
		if err := s.mark(ctx, c); err != nil {
			return err
		}
		s.dice.Restart()
		if err := c.Rewind(ctx); err != nil {
			return err
		}
	} else {
		go func() { _ = s.mark(context.WithoutCancel(ctx), c) }()
	}
	s.start(c)
	go s.now.Load().handler() // takes some milliseconds, during which the program starts
	s.Faults = &trouble.Injector{
		Next: s.strict(s.answer), AcceptsJWT: s.strict(s.answerJWT),
		Skew: s.Clock.Skew, Now: s.Clock.Now, Seed: s.cfg.Scene.RandomSeed(),
	}
	s.handler = s.Traffic.Around(s.Faults)
	return s.Faults.Set(s.cfg.Scene.Faults)
}

// mark saves the initial state. Every change waits until it is saved: see current.
func (s *Stage) mark(ctx context.Context, c *core.Core) error {
	defer close(s.marked)
	s.markErr = c.Mark(ctx)
	return s.markErr
}

// current returns the server. It waits until the initial state is saved.
func (s *Stage) current() *instance {
	<-s.marked
	return s.now.Load()
}

// start makes the services of c answer all further requests.
func (s *Stage) start(c *core.Core) {
	cfg := server.Config{Version: s.cfg.Version, NoHSTS: true, Unknown: s.Traffic.Unknown}
	with := cfg
	with.MediaJWT = true
	s.now.Store(&instance{
		core: c, cast: s.cast.Clone(),
		handler:    sync.OnceValue(func() http.Handler { return server.New(c, cfg).Handler() }),
		acceptsJWT: sync.OnceValue(func() http.Handler { return server.New(c, with).Handler() }),
	})
}

// strict returns h, with the strict rules in front of it if the configuration asks for
// them.
func (s *Stage) strict(h http.HandlerFunc) http.Handler {
	if !s.cfg.Strict {
		return h
	}
	return &strict{next: h, unknown: s.Traffic.Unknown}
}

// answer passes a request to the server. The Date header is the time of the scene's
// clock.
func (s *Stage) answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.Clock.Now().UTC().Format(http.TimeFormat))
	s.current().handler().ServeHTTP(w, r)
}

// answerJWT is answer with a server whose media plane accepts JWTs.
func (s *Stage) answerJWT(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.Clock.Now().UTC().Format(http.TimeFormat))
	s.current().acceptsJWT().ServeHTTP(w, r)
}

// Handler returns the handler for the requests of programs.
func (s *Stage) Handler() http.Handler { return s.handler }

// Cast returns the people and sources of the scene since the last reset.
func (s *Stage) Cast() *scene.Cast { return s.now.Load().cast }

// Reset restores the initial state: the scene, its time and its faults. It deletes the
// recorded requests, except for the summary and the archive of the whole run.
func (s *Stage) Reset(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Clock.Restart(s.cfg.Scene)
	s.dice.Restart()
	i := *s.current()
	if s.markErr != nil {
		return s.markErr
	}
	if err := i.core.Rewind(ctx); err != nil {
		return err
	}
	i.cast = s.cast.Clone()
	s.now.Store(&i)
	s.Traffic.Forget()
	return s.Faults.Set(s.cfg.Scene.Faults)
}

// Close stops the usher, and discards its data.
func (s *Stage) Close() error { return s.current().core.Close() }

// VerifyAudit checks the audit log, as usher audit verify does. It returns the
// number of rows.
func (s *Stage) VerifyAudit(ctx context.Context) (rows int64, err error) {
	return s.current().core.Audit.Verify(ctx)
}
