package main

import (
	"context"
	"fmt"
	"time"
)

const (
	startPart = "start"
	starts    = 10
	idleFor   = 2 * time.Second
)

// The rows of the start's table, and their goals.
const (
	rowFresh    = "start, new data folder, ms"
	rowAdmin    = "start, new data folder and first admin (one hash), ms"
	rowExisting = "start, existing data folder, ms"
	rowIdle     = "resident when idle, MB"
	rowLoaded   = "resident after all the load, MB"
	startGoal   = 50
	idleGoal    = 25
)

// measureStart starts the server repeatedly.
func (b *bench) measureStart(ctx context.Context) error {
	if !b.wants(startPart) {
		return nil
	}
	logf("starting")
	for i := range starts {
		for _, s := range []struct {
			row, data  string
			firstAdmin bool
		}{
			{rowFresh, fmt.Sprintf("fresh-%d", i), false},
			{rowAdmin, fmt.Sprintf("admin-%d", i), true},
			{rowExisting, fmt.Sprintf("admin-%d", i), true},
		} {
			if err := b.startOnce(ctx, s.row, b.path(s.data), s.firstAdmin); err != nil {
				return err
			}
		}
	}
	for range b.rounds {
		if err := b.idle(ctx, b.path("admin-0")); err != nil {
			return err
		}
	}
	return nil
}

// startOnce records the duration of a start, from before the creation of the
// process until the first response.
func (b *bench) startOnce(ctx context.Context, row, data string, firstAdmin bool) error {
	begin := time.Now()
	u, err := b.startUsher(ctx, data, firstAdmin)
	if err != nil {
		return err
	}
	b.figures.add(row, "value", millis(time.Since(begin)))
	u.stop()
	return nil
}

// idle records the memory of a server that has only answered /identity.
func (b *bench) idle(ctx context.Context, data string) error {
	u, err := b.startUsher(ctx, data, false)
	if err != nil {
		return err
	}
	defer u.stop()
	select {
	case <-time.After(idleFor):
	case <-ctx.Done():
		return ctx.Err()
	}
	return b.noteMemory(u.process, rowIdle)
}

// noteMemory records the current memory of a server.
func (b *bench) noteMemory(p process, row string) error {
	held, err := p.resident()
	if err != nil {
		return err
	}
	b.figures.add(row, "value", float64(held)/1e6)
	return nil
}
