package exec_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// BenchmarkStart compares a program with the same program in usher exec. "exec-ms" is the
// median time until the program runs, and "whole-ms" until usher has exited.
func BenchmarkStart(b *testing.B) {
	for _, mode := range []string{"direct", "namespace", "env"} {
		b.Run(mode, func(b *testing.B) {
			var first, whole []time.Duration
			for b.Loop() {
				cmd := exec.Command("/bin/echo", "started")
				if mode != "direct" {
					cmd = exec.Command(usher, "exec", "--quiet", "--mode", mode, "--", "/bin/echo", "started")
				}
				out, err := cmd.StdoutPipe()
				if err != nil {
					b.Fatal(err)
				}
				start := time.Now()
				if err := cmd.Start(); err != nil {
					b.Fatal(err)
				}
				if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
					b.Fatal(err)
				}
				first = append(first, time.Since(start))
				if err := cmd.Wait(); err != nil {
					b.Fatal(err)
				}
				whole = append(whole, time.Since(start))
			}
			report(b, first, "exec-ms")
			report(b, whole, "whole-ms")
		})
	}
}

// report reports a median in milliseconds.
func report(b *testing.B, took []time.Duration, unit string) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2])/float64(time.Millisecond), unit)
}

// BenchmarkRequest compares requests of one program on a persistent connection: over HTTPS
// to plex.tv, which is usher, and to the same usher at localhost without TLS.
func BenchmarkRequest(b *testing.B) {
	for _, mode := range []string{"namespace", "env"} {
		cmd := exec.Command(usher, "exec", "--quiet", "--mode", mode, "--", self, "measure",
			"http://127.0.0.1:32400/api/v2/ping", "https://plex.tv/api/v2/ping")
		out, err := cmd.Output()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(mode, func(b *testing.B) {
			var direct, led float64
			if _, err := fmt.Sscan(string(out), &direct, &led); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(direct, "direct-ms")
			b.ReportMetric(led, "plex.tv-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// measure prints the median time of a request to each URL. It alternates between the URLs,
// so that other load affects all of them.
func measure(urls []string) error {
	took := make([][]float64, len(urls))
	for range 1000 {
		for i, u := range urls {
			start := time.Now()
			res, err := http.Get(u)
			if err != nil {
				return err
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				return err
			}
			res.Body.Close()
			took[i] = append(took[i], float64(time.Since(start))/float64(time.Millisecond))
		}
	}
	for _, list := range took {
		slices.Sort(list)
		fmt.Fprintln(os.Stdout, list[len(list)/2])
	}
	return nil
}
