// Command bare is the baseline for usher: a plain net/http server. It reads one response
// from standard input, prints its address, and sends that response to every request until
// it is stopped.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
)

// answer is a recorded response of usher.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// ServeHTTP does the minimum that sends the same bytes.
func (a *answer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	for name, values := range a.Header {
		h[name] = values
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // the client counts missing responses
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run() error {
	var a answer
	if err := json.NewDecoder(os.Stdin).Decode(&a); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	// There are no timeouts and limits, so that the cost of usher's own is visible.
	return http.Serve(ln, &a)
}
