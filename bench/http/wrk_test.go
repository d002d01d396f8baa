package main

import (
	"testing"
	"time"
)

// goodOutput is what wrk 4.1 printed.
const goodOutput = `Running 4s test @ http://127.0.0.1:41873/api/v2/user
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.21ms    1.40ms  21.55ms   89.99%
    Req/Sec    34.02k     3.04k   41.63k    75.00%
  Latency Distribution
     50%  712.00us
     75%    1.33ms
     90%    2.86ms
     99%    6.75ms
  135524 requests in 4.00s, 283.05MB read
`

const goodRates = `Requests/sec:  33863.47
Transfer/sec:     70.72MB
`

func TestParseWrk(t *testing.T) {
	for _, test := range []struct {
		name, out string
		want      wrkResult
		fails     bool
	}{
		{name: "all good", out: goodOutput + goodRates, want: wrkResult{135524, 33863.47, 6750 * time.Microsecond}},
		{name: "some refused", out: goodOutput + "  Non-2xx or 3xx responses: 3\n" + goodRates, fails: true},
		{name: "cut off", out: goodOutput + "  Socket errors: connect 0, read 0, write 0, timeout 32\n" + goodRates, fails: true},
		{name: "ended early", out: goodOutput, fails: true},
		{name: "nothing", fails: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseWrk(test.out)
			if (err != nil) != test.fails {
				t.Fatalf("got error %v, want one: %t", err, test.fails)
			}
			if err == nil && got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestParseStat(t *testing.T) {
	const text = "812 (a) name) S 1 812 812 0 -1 4194560 1533 0 7 0 25 17 0 0 20 0 9 0 2211 1253683200 3411 0"
	got, err := parseStat([]byte(text))
	if want := (stat{812, 1, 420 * time.Millisecond}); err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if _, err := parseStat([]byte("812 (name) S 1")); err == nil {
		t.Error("a line that ends early: got no error")
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	for _, test := range []struct {
		values []time.Duration
		p      int
		want   time.Duration
	}{
		{nil, 99, 0},
		{[]time.Duration{7}, 50, 7},
		{hundred, 50, 50},
		{hundred, 99, 99},
	} {
		if got := percentile(test.values, test.p); got != test.want {
			t.Errorf("percentile %d of %d: got %d, want %d", test.p, len(test.values), got, test.want)
		}
	}
}
