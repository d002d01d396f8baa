// Command argon2id is what sign-in is measured against: it hashes a password
// at the server's own cost on every processor, for as long as its argument
// says, and prints how many hashes that gave in how many seconds, and how much
// of the processors' time they took. What it does in its first second is not
// counted: there, memory is new to it.
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

// hashFor hashes for d. Each processor finishes the hash that it is at; that
// counts, and so does the time for it.
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

// hash does what the server does for one password.
func hash() {
	cost := account.DefaultCost
	salt := make([]byte, 16)
	argon2.IDKey([]byte("correct horse battery staple"), salt, cost.Time, cost.Memory, cost.Threads, 32)
}
