// Package probe is the smallest program that opens a database. Each driver has a main
// package below. There is also one without a driver, to tell the driver's share from Go's.
package probe

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/usher-auth/usher/bench/sqlite/driver"
)

// Main opens the database named by the first argument, reads one token, prints "ready", and then
// on a second line its resident memory in KiB and the version of SQLite.
func Main(d driver.Driver) {
	if err := run(context.Background(), d, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

// run does the work of Main. A driver without OpenReader opens nothing.
func run(ctx context.Context, d driver.Driver, path string) error {
	if d.OpenReader == nil {
		return report("none")
	}
	r, err := d.OpenReader(ctx, path, 1)
	if err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	defer r.Close()
	if _, err := r.Lookup(ctx, driver.Sample(0).Hash); err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	version, err := r.Value(ctx, "SELECT sqlite_version()")
	if err != nil {
		return fmt.Errorf("asking for the version: %w", err)
	}
	return report(version)
}

// report prints the two lines.
func report(version string) error {
	fmt.Println("ready")
	rss, err := residentKiB()
	if err != nil {
		return err
	}
	fmt.Println(rss, version)
	return nil
}

// residentKiB asks the kernel how much memory this process holds.
func residentKiB() (kib int, err error) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			_, err := fmt.Sscanf(value, "%d kB", &kib)
			return kib, err
		}
	}
	return 0, fmt.Errorf("no VmRSS in /proc/self/status: %w", lines.Err())
}
