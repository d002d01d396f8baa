package exec_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// The test's own binary is the program that usher exec runs, if its first argument is one
// of these words. The program does not know of usher.
var programs = map[string]func(args []string) error{
	"get":     get,
	"ask":     ask,
	"post":    post,
	"dial":    dial,
	"lookup":  lookup,
	"send":    send,
	"trap":    trap,
	"serve":   serve,
	"measure": measure,
	"control": controlled,

	"without-landlock": withoutLandlock,
}

// get prints the answers to GET requests: status, protocol and body.
func get(urls []string) error {
	for _, u := range urls {
		req, err := http.NewRequest(http.MethodGet, u, nil)
		if err != nil {
			return err
		}
		req.Header.Set("X-Plex-Token", os.Getenv("TOKEN"))
		req.Header.Set("Accept", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			return err
		}
		fmt.Printf("%d %s %s\n", res.StatusCode, res.Proto, body)
	}
	return nil
}

// post prints the answer to a form. Its arguments are an address and a form.
func post(args []string) error {
	req, err := http.NewRequest(http.MethodPost, args[0], strings.NewReader(args[1]))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Plex-Client-Identifier", "test")
	req.Header.Set("Accept", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	fmt.Printf("%d %s\n", res.StatusCode, body)
	return err
}

// timeout limits requests that are expected to get no answer.
const timeout = 2 * time.Second

// ask sends requests of HTTP/1.0, without a host, to addresses, and prints the status
// lines.
func ask(addresses []string) error {
	for _, a := range addresses {
		c, err := net.Dial("tcp", a)
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /api/v2/ping HTTP/1.0\r\n\r\n"); err != nil {
			return err
		}
		text, err := io.ReadAll(c)
		if err != nil {
			return err
		}
		status, _, _ := strings.Cut(string(text), "\r\n")
		fmt.Println(status)
	}
	return nil
}

// dial opens a connection. Its arguments are a network and an address.
func dial(args []string) error {
	c, err := net.DialTimeout(args[0], args[1], timeout)
	if err != nil {
		return err
	}
	return c.Close()
}

// lookup sends a DNS query for a name to a given server, over UDP.
func lookup(args []string) error {
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: timeout}).DialContext(ctx, network, args[0])
	}}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	addrs, err := r.LookupHost(ctx, args[1])
	fmt.Println(strings.Join(addrs, " "))
	return err
}

// send sends a datagram to an address.
func send(args []string) error {
	c, err := net.Dial("udp", args[0])
	if err != nil {
		return err
	}
	_, err = c.Write([]byte("hello"))
	return err
}

// trap runs a program. Meanwhile, it prints what arrives at ports 5353 (UDP) and 8443 (TCP)
// of any address.
func trap(args []string) error {
	u, err := net.ListenPacket("udp", ":5353")
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", ":8443")
	if err != nil {
		return err
	}
	go func() {
		for buf := make([]byte, 100); ; {
			if _, _, err := u.ReadFrom(buf); err != nil {
				return
			}
			fmt.Println("heard a datagram")
		}
	}()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Println("heard a connection")
			_ = c.Close()
		}
	}()
	if err := command(args); err != nil {
		fmt.Println(err)
	}
	time.Sleep(100 * time.Millisecond) // wait for what was sent
	return nil
}

// serve runs a program. Meanwhile, it answers "outside" at port 8443 of any address.
func serve(args []string) error {
	l, err := net.Listen("tcp", ":8443")
	if err != nil {
		return err
	}
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "outside")
		}))
	}()
	return command(args)
}
