package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// wrkResult is the result of wrk.
type wrkResult struct {
	requests float64
	rate     float64 // requests a second
	p99      time.Duration
}

// The scripts of wrk. Without a script, it sends GET without a body.
const (
	postScript = "post.lua"
	postSource = `wrk.method = "POST"
`
	signInScript = "sign-in.lua"
	// Each sign-in is from a different device, as when a household comes home. A device
	// that signs in repeatedly would evict one of its own tokens each time, which is rare.
	signInSource = `wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.body = %q
local signIns = 0
function request()
  signIns = signIns + 1
  wrk.headers["X-Plex-Client-Identifier"] = "bench-device-" .. signIns %% 1000
  return wrk.format()
end
`
)

// writeScripts writes the scripts to files for wrk.
func (b *bench) writeScripts() error {
	return errors.Join(
		os.WriteFile(b.path(postScript), []byte(postSource), 0o600),
		os.WriteFile(b.path(signInScript), fmt.Appendf(nil, signInSource, signIn("").form), 0o600))
}

// wrk loads one URL for d, with the request's headers and script.
func (b *bench) wrk(ctx context.Context, r request, connections int, url string, d time.Duration) (wrkResult, error) {
	args := []string{"-t1", fmt.Sprintf("-c%d", connections), fmt.Sprintf("-d%.0fs", d.Seconds()), "--latency"}
	if r.script != "" {
		args = append(args, "-s", b.path(r.script))
	}
	for name, values := range r.header {
		args = append(args, "-H", name+": "+values[0])
	}
	out, err := exec.CommandContext(ctx, "wrk", append(args, url+r.path)...).Output()
	if err != nil {
		return wrkResult{}, fmt.Errorf("wrk: %w", err)
	}
	return parseWrk(string(out))
}

// The output of wrk 4. It has the last two lines only if something failed.
var (
	wrkTotal   = regexp.MustCompile(`(?m)^\s*(\d+) requests in `)
	wrkRate    = regexp.MustCompile(`(?m)^Requests/sec:\s+([\d.]+)$`)
	wrkP99     = regexp.MustCompile(`(?m)^\s+99%\s+([\d.]+[mu]?[smh])$`)
	wrkFailure = regexp.MustCompile(`(?m)^\s*(Non-2xx or 3xx responses: .*|Socket errors: .*)$`)
)

// parseWrk parses the output of wrk. Failed requests are an error, because their
// responses are not those to measure.
func parseWrk(out string) (r wrkResult, err error) {
	if m := wrkFailure.FindStringSubmatch(out); m != nil {
		return r, fmt.Errorf("wrk: %s", m[1])
	}
	total, rate, p99 := wrkTotal.FindStringSubmatch(out), wrkRate.FindStringSubmatch(out), wrkP99.FindStringSubmatch(out)
	if total == nil || rate == nil || p99 == nil {
		return r, fmt.Errorf("wrk printed an unknown format: %q", out)
	}
	var errs [3]error
	r.requests, errs[0] = strconv.ParseFloat(total[1], 64)
	r.rate, errs[1] = strconv.ParseFloat(rate[1], 64)
	r.p99, errs[2] = time.ParseDuration(p99[1])
	if r.requests == 0 {
		return r, errors.New("wrk had no answer at all")
	}
	return r, errors.Join(errs[:]...)
}
