package db

import "context"

// A Stage collects values from the writes that share a commit, and writes them
// to the database once, just before it. A write that fails takes its values
// with it.
type Stage[T any] struct{ index int }

// stage is a Stage as a DB keeps it.
type stage func(ctx context.Context, tx *Tx, values []any) error

// stagedValue is a value and the index of its stage.
type stagedValue struct {
	stage int
	value any
}

// NewStage returns a Stage whose values flush writes. When flush fails, so does
// every write that shares the commit.
func NewStage[T any](d *DB, flush func(ctx context.Context, tx *Tx, values []T) error) *Stage[T] {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stages = append(d.stages, func(ctx context.Context, tx *Tx, staged []any) error {
		values := make([]T, len(staged))
		for i, v := range staged {
			values[i] = v.(T)
		}
		return flush(ctx, tx, values)
	})
	return &Stage[T]{len(d.stages) - 1}
}

// Add stages a value in a write.
func (s *Stage[T]) Add(tx *Tx, value T) {
	tx.staged = append(tx.staged, stagedValue{s.index, value})
}

// flush writes the staged values, stage by stage, in order.
func (d *DB) flush(ctx context.Context, tx *Tx, staged []stagedValue) error {
	if len(staged) == 0 {
		return nil
	}
	d.mu.RLock()
	stages := d.stages
	d.mu.RUnlock()
	for i, flush := range stages {
		var values []any
		for _, s := range staged {
			if s.stage == i {
				values = append(values, s.value)
			}
		}
		if len(values) == 0 {
			continue
		}
		if err := flush(ctx, tx, values); err != nil {
			return err
		}
	}
	return nil
}
