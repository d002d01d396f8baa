//go:build unix

package main

import "syscall"

// syncDisks flushes the system's write cache to the disks.
func syncDisks() { syscall.Sync() }
