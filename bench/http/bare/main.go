// Command bare is the server that usher is measured against: net/http and
// nothing else. It reads one answer from standard input, prints the address
// that it took, and gives that answer to every request until it is ended.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
)

// answer is what usher was seen to answer.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// ServeHTTP does the least that gives the same bytes.
func (a *answer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	for name, values := range a.Header {
		h[name] = values
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // the client counts what it does not get
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
	// No time-outs and no limits: what usher pays for its own is to be seen.
	return http.Serve(ln, &a)
}
