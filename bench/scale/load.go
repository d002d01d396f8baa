package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// connections is how many concurrent requests each node gets.
const connections = 8

// load sends requests to nodes for some time, on open connections, and returns how many
// were answered. next returns the next request, except its Host header, which load adds.
func load(ctx context.Context, nodes []string, long time.Duration, want int, next func() (line, headers string)) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	var answered atomic.Int64
	errs := make(chan error, len(nodes)*connections)
	var wg sync.WaitGroup
	for _, node := range nodes {
		for range connections {
			wg.Go(func() { errs <- one(ctx, node, want, next, &answered) })
		}
	}
	wg.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return int(answered.Load()), errors.Join(all...)
}

// one sends requests on one connection until ctx ends.
func one(ctx context.Context, node string, want int, next func() (line, headers string), answered *atomic.Int64) error {
	u, err := url.Parse(node)
	if err != nil {
		return err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for ctx.Err() == nil {
		line, headers := next()
		if _, err := fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n%s\r\n", line, u.Host, headers); err != nil {
			return err
		}
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			return err
		}
		if res.StatusCode != want {
			return fmt.Errorf("%s: %s", line, res.Status)
		}
		answered.Add(1)
	}
	return nil
}

// tick is the unit of the times in /proc.
const tick = 10 * time.Millisecond

// processors returns the processor time of the processes that belong, which is decided by
// their ID and their parent's.
func processors(belongs func(pid, parent int) bool) (sum time.Duration, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has just exited
		}
		pid, _, _ := strings.Cut(string(text), " ")
		// The second field is a name, which may contain any characters.
		fields := strings.Fields(string(text[strings.LastIndex(string(text), ")")+1:]))
		if len(fields) < 15 {
			continue
		}
		number := func(text string) int { n, _ := strconv.Atoi(text); return n }
		if belongs(number(pid), number(fields[1])) {
			// utime and stime of the process, and of its children that have exited.
			sum += time.Duration(number(fields[11])+number(fields[12])+number(fields[13])+number(fields[14])) * tick
		}
	}
	return sum, nil
}

// metric reads one number of a node's metrics.
func metric(ctx context.Context, address, name string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, errors.Join(fmt.Errorf("%s has no metric %s", address, name), lines.Err())
}
