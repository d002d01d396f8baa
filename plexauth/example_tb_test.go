package plexauth_test

import (
	"fmt"
	"testing"
)

// exampleTB is the part of a test that an example lacks: plexauthtest ends with
// it, and complains to it.
type exampleTB struct {
	testing.TB // for the methods that are not called
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
