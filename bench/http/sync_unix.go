//go:build unix

package main

import "syscall"

// syncDisks writes what the system still holds in memory to the disks.
func syncDisks() { syscall.Sync() }
