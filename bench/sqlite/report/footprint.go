package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/usher-auth/usher/bench/sqlite/driver"
	"github.com/usher-auth/usher/bench/sqlite/driver/all"
)

const (
	probeRows      = 1_000 // tokens in the database that the probes open
	probesPerRound = 5     // a start takes only milliseconds
)

// candidates are the drivers, and last the probe without a driver.
func candidates() []driver.Driver {
	return append(slices.Clone(all.Drivers), driver.Driver{Name: baseline})
}

// versions records the versions of the modules.
func (r *runner) versions(ctx context.Context) error {
	for _, d := range all.Drivers {
		version, err := output(ctx, nil, "go", "list", "-m", "-f", "{{.Version}}", d.Module)
		if err != nil {
			return err
		}
		r.samples.note("version", d.Name, strings.TrimSpace(version))
	}
	return nil
}

// build builds each probe as for a release, with an empty build cache, and tries it without
// cgo. The modules are downloaded before, so that the network is not measured.
func (r *runner) build(ctx context.Context) error {
	if _, err := output(ctx, nil, "go", "mod", "download"); err != nil {
		return err
	}
	db := r.path("probe.db")
	if err := driver.Create(ctx, all.Drivers[0], db, probeRows); err != nil {
		return err
	}
	for _, d := range candidates() {
		logf("building with %s", d.Name)
		if err := r.buildOne(ctx, d); err != nil {
			return err
		}
		if d.Name == baseline {
			continue
		}
		works, err := r.worksWithoutCgo(ctx, d, db)
		if err != nil {
			return err
		}
		r.samples.note("without cgo", d.Name, works)
	}
	return nil
}

// buildOne measures the time of the build and the size of the binary.
func (r *runner) buildOne(ctx context.Context, d driver.Driver) error {
	started := time.Now()
	if err := r.goBuild(ctx, d, d.Cgo, r.path(d.Name)); err != nil {
		return err
	}
	r.samples.add("build", d.Name, time.Since(started).Seconds())
	info, err := os.Stat(r.path(d.Name))
	if err != nil {
		return err
	}
	r.samples.add("size", d.Name, float64(info.Size())/(1<<20))
	return nil
}

// goBuild builds a probe with its own build cache.
func (r *runner) goBuild(ctx context.Context, d driver.Driver, cgo bool, binary string) error {
	env := []string{"GOCACHE=" + r.path("cache-"+d.Name), "CGO_ENABLED=0"}
	if cgo {
		env[1] = "CGO_ENABLED=1"
	}
	_, err := output(ctx, env, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w",
		"-o", binary, "./probe/"+d.Name)
	return err
}

// worksWithoutCgo builds without cgo, and runs the result. A successful build is not
// enough, because a driver may replace its C code with an error.
func (r *runner) worksWithoutCgo(ctx context.Context, d driver.Driver, db string) (string, error) {
	binary := r.path(d.Name + "-nocgo")
	if err := r.goBuild(ctx, d, false, binary); err != nil {
		if ctx.Err() != nil {
			return "", err
		}
		return "does not build", nil
	}
	// Do not print the error of the probe.
	if err := exec.CommandContext(ctx, binary, db).Run(); err != nil {
		if ctx.Err() != nil {
			return "", err
		}
		return "builds, cannot open", nil
	}
	return "works", nil
}

// probe starts the probes in turn.
func (r *runner) probe(ctx context.Context) error {
	for round := range r.rounds * probesPerRound {
		for _, d := range candidates() {
			p, err := start(ctx, r.path(d.Name), r.path("probe.db"))
			if err != nil {
				return fmt.Errorf("probing %s: %w", d.Name, err)
			}
			if round == 0 && d.Name != baseline {
				r.samples.note("engine", d.Name, p.engine)
			}
			r.samples.add("ready", d.Name, p.ready.Seconds()*1e3)
			r.samples.add("resident", d.Name, float64(p.residentKiB)/(1<<10))
		}
	}
	return nil
}

// startup is the result of one run of a probe.
type startup struct {
	ready       time.Duration // from exec to the first line
	residentKiB int
	engine      string // version of SQLite
}

// start runs a probe until it exits.
func start(ctx context.Context, binary, db string) (p startup, err error) {
	cmd := exec.CommandContext(ctx, binary, db)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return startup{}, err
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return startup{}, err
	}
	lines := bufio.NewScanner(stdout)
	lines.Scan()
	p.ready = time.Since(begin)
	lines.Scan()
	_, scanErr := fmt.Sscan(lines.Text(), &p.residentKiB, &p.engine)
	if err := cmd.Wait(); err != nil {
		return startup{}, err
	}
	return p, scanErr
}
