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

// Config says what is played. The zero value, with a Scene, works.
type Config struct {
	// Scene is who and what there is.
	Scene scene.Scene
	// Traffic records the requests. Nil: a Recorder of the Stage's own.
	Traffic *traffic.Recorder
	// By is who adds what is in the scene, as the audit log has it.
	By audit.Actor
	// Version is that of the program.
	Version string
	// Strict refuses what the real services refuse and usher otherwise allows:
	// StrictRules.
	Strict bool
}

// Stage is a running usher with a scene. It is safe for concurrent use.
type Stage struct {
	// Clock is the clock of the server.
	Clock *scene.Clock
	// Faults are what goes wrong on purpose.
	Faults *trouble.Injector
	// Traffic is the record of requests.
	Traffic *traffic.Recorder

	cfg     Config
	dice    *scene.Dice // nil: ids, tokens and codes are random
	handler http.Handler
	now     atomic.Pointer[instance]
	cast    *scene.Cast // at the start
	mu      sync.Mutex  // guards changes of now

	marked  chan struct{} // closed when the beginning is remembered
	markErr error         // why it is not; read after marked
}

// instance is the server between two resets.
type instance struct {
	core *core.Core
	cast *scene.Cast
	// handler is the server, and acceptsJWT one whose media plane accepts JWTs. Each
	// is built when it is first asked for.
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

// play adds what is in the scene, and remembers the state to go back to.
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
	go s.now.Load().handler() // it takes some milliseconds, in which the program starts
	s.Faults = &trouble.Injector{
		Next: s.strict(s.answer), AcceptsJWT: s.strict(s.answerJWT),
		Skew: s.Clock.Skew, Now: s.Clock.Now, Seed: s.cfg.Scene.RandomSeed(),
	}
	s.handler = s.Traffic.Around(s.Faults)
	return s.Faults.Set(s.cfg.Scene.Faults)
}

// mark remembers the beginning. Whatever changes something waits for it: see current.
func (s *Stage) mark(ctx context.Context, c *core.Core) error {
	defer close(s.marked)
	s.markErr = c.Mark(ctx)
	return s.markErr
}

// current returns the server, once the beginning is remembered.
func (s *Stage) current() *instance {
	<-s.marked
	return s.now.Load()
}

// start answers from the services of c from now on.
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

// strict returns h, as strict as the configuration says.
func (s *Stage) strict(h http.HandlerFunc) http.Handler {
	if !s.cfg.Strict {
		return h
	}
	return &strict{next: h, unknown: s.Traffic.Unknown}
}

// answer answers as the server does. Its clock is that of the scene.
func (s *Stage) answer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.Clock.Now().UTC().Format(http.TimeFormat))
	s.current().handler().ServeHTTP(w, r)
}

// answerJWT is answer of a server whose media plane accepts JWTs.
func (s *Stage) answerJWT(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.Clock.Now().UTC().Format(http.TimeFormat))
	s.current().acceptsJWT().ServeHTTP(w, r)
}

// Handler answers the requests of programs.
func (s *Stage) Handler() http.Handler { return s.handler }

// Cast returns who and what there is now.
func (s *Stage) Cast() *scene.Cast { return s.now.Load().cast }

// Reset goes back to the beginning: the scene, its time and its faults. Requests
// are forgotten, except for the summary and the archive of the whole run.
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

// Close stops the usher. Nothing of it is left.
func (s *Stage) Close() error { return s.current().core.Close() }

// VerifyAudit checks the audit log, as usher audit verify does. It returns the
// number of rows.
func (s *Stage) VerifyAudit(ctx context.Context) (rows int64, err error) {
	return s.current().core.Audit.Verify(ctx)
}
