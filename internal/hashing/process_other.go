//go:build !unix

package hashing

import "os"

func standardInput() *os.File { return os.Stdin }

func lowerPriority() {}
