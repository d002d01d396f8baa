package plexauth_test

import (
	"fmt"
	"testing"
)

// exampleTB is the testing.TB that plexauthtest needs and that an example lacks.
type exampleTB struct {
	testing.TB // nil: only the methods below are called
	cleanups   []func()
}

// Helper implements testing.TB.
func (*exampleTB) Helper() {}

// Cleanup implements testing.TB.
func (t *exampleTB) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

// Fatalf implements testing.TB.
func (*exampleTB) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (t *exampleTB) stop() {
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}
