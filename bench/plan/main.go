// Command plan computes which resource is used up first when usher has more users than a
// measurement can have, and draws the result.
//
// It reads the output of bench/scale, uses bench/model, prints two tables and writes two
// SVG files, whose colours can be read on light and on dark pages. It is a separate module,
// so that usher does not depend on the plotting library.
//
//	go run ./bench/scale -json bench/plan/measured.json
//	go -C bench/plan run . -out ../../docs
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/usher-auth/usher/bench/model"
)

// The assumed machines and load.
var (
	machines = model.Machines{
		NodeCores: 8, DatabaseCores: 16,
		TokenCache: 200_000, AccountCache: 4096, TokenEntry: 160, Base: 70e6, Memory: 4e9,
	}
	demand = model.Demand{Accounts: 10e6, Tokens: 50e6, Active: 0.2, Checks: 100_000, SignIns: 100, Writes: 200}
)

func main() {
	file := flag.String("in", "measured.json", "file that bench/scale wrote")
	out := flag.String("out", "", "folder for the plots (default: none are drawn)")
	flag.Parse()
	if err := run(*file, *out); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(file, out string) error {
	in, err := read(file)
	if err != nil {
		return err
	}
	larger := machines
	larger.TokenCache, larger.TokenEntry = 12e6, machines.TokenEntry
	cases := []struct {
		name string
		m    model.Machines
	}{{"the default `--token-cache`", machines}, {"`--token-cache 12000000`", larger}}
	fmt.Printf("A check takes %.0f µs of a node, %.0f more if the token is not in memory, and %.0f more if the account is not.\n",
		in.Check, in.TokenMiss, in.AccountMiss)
	fmt.Printf("The database: %.0f and %.0f µs. A change: %.0f µs of a node, %.0f of the database, %.0f of the writer.\n",
		in.TokenRead, in.AccountRead, in.Write, in.WriteDatabase, in.WriteTurn)
	fmt.Printf("A commit: %.0f µs of the writer. A noted use: %.0f µs of the database, and %.0f if another node has just noted it. Storage: %.0f GB.\n\n",
		in.Turn, in.Use, in.PassedUse, model.Storage(in, demand)/1e9)
	for _, c := range cases {
		fmt.Printf("With %s, at %.0f checks a second:\n\n", c.name, demand.Checks)
		fmt.Printf("| nodes | %s | %s | %s | %s | checks/s until 70 %% of one is used | first is |\n|---|---|---|---|---|---|---|\n",
			model.NodeCPU, model.DatabaseCPU, model.Writer, model.Memory)
		for _, n := range []float64{1, 2, 3, 5, 10, 20, 40} {
			l := model.Of(in, c.m, demand, n)
			most, first := model.Most(in, c.m, demand, n)
			fmt.Printf("| %.0f | %.0f %% | %.0f %% | %.0f %% | %.0f %% | %.0f | %s |\n",
				n, 100*l.NodeCPU, 100*l.DatabaseCPU, 100*l.Writer, 100*l.Memory, most, first)
		}
		fmt.Println()
	}
	if out == "" {
		return nil
	}
	if err := drawLoad(in, machines, filepath.Join(out, "scaling-load.svg")); err != nil {
		return err
	}
	return drawNodes(in, machines, larger, filepath.Join(out, "scaling-nodes.svg"))
}

// measurements is the part of bench/scale's file that is used.
type measurements struct {
	Costs []struct {
		Engine, Kind                  string
		Nodes                         int
		Rate, Node, Database, Commits float64
	}
	Uses []struct {
		Engine           string
		Database, Passed float64
	}
	Sizes struct{ Account, Token float64 }
}

// signIn is the processor time of a sign-in (docs/performance.md).
const signIn = 22_000

// read returns the inputs of the model, from the costs of one node with PostgreSQL.
func read(file string) (in model.Inputs, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return in, err
	}
	var m measurements
	if err := json.Unmarshal(text, &m); err != nil {
		return in, fmt.Errorf("reading %s: %w", file, err)
	}
	const engine = "PostgreSQL"
	node, database := make(map[string]float64), make(map[string]float64)
	var turn, commit float64
	for _, c := range m.Costs {
		if c.Engine != engine || c.Nodes != 1 {
			continue
		}
		node[c.Kind], database[c.Kind] = c.Node, c.Database
		if c.Kind == write {
			turn, commit = 1e6/c.Rate, 1e6/c.Commits
		}
	}
	for _, kind := range []string{all, token, none, write} {
		if _, ok := node[kind]; !ok {
			return in, fmt.Errorf("%s has no %q", file, kind)
		}
	}
	in = model.Inputs{
		Check: node[all], TokenMiss: node[token] - node[all], AccountMiss: node[none] - node[token],
		TokenRead: database[token], AccountRead: database[none] - database[token],
		Write: node[write], WriteDatabase: database[write], WriteTurn: turn, Turn: commit, SignIn: signIn,
		AccountBytes: m.Sizes.Account, TokenBytes: m.Sizes.Token,
	}
	for _, u := range m.Uses {
		if u.Engine == engine {
			in.Use, in.PassedUse = u.Database, u.Passed
		}
	}
	return in, nil
}

// The kinds of request, with their names in bench/scale.
const (
	all   = "token check, all cached"
	token = "token check, token not cached"
	none  = "token check, nothing cached"
	write = "sign-out (a write)"
)
