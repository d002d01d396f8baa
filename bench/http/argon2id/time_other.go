//go:build !unix

package main

import (
	"errors"
	"time"
)

// processorTime fails: the measurement runs on Unix only.
func processorTime() (time.Duration, error) {
	return 0, errors.New("reading the processor time: this system has no getrusage")
}
