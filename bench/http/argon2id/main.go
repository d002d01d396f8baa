// Command argon2id is the baseline for sign-ins. It hashes a password with the server's
// parameters on every processor for the duration in its argument, and prints the number of
// hashes, the seconds, and the CPU time. The first second does not count, because memory is
// not mapped yet.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/usher-auth/usher/internal/account"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "argon2id:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want a duration such as 4s, and nothing else")
	}
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	hashFor(time.Second)
	before, err := processorTime()
	if err != nil {
		return err
	}
	hashes, took := hashFor(d)
	after, err := processorTime()
	if err != nil {
		return err
	}
	fmt.Println(hashes, took.Seconds(), (after - before).Seconds())
	return nil
}

// hashFor hashes for d. Each processor finishes its running hash, which counts with
// its time.
func hashFor(d time.Duration) (hashes int64, took time.Duration) {
	var done atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for time.Since(start) < d {
				hash()
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return done.Load(), time.Since(start)
}

// hash hashes one password like the server does.
func hash() {
	cost := account.DefaultCost
	salt := make([]byte, 16)
	argon2.IDKey([]byte("correct horse battery staple"), salt, cost.Time, cost.Memory, cost.Threads, 32)
}
