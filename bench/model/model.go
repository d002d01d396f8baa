// Package model computes which resource is used up first when usher has more users than a
// measurement can have.
//
// It owns the arithmetic. bench/scale measures the costs of requests. bench/plan prints and
// draws the results.
package model

import (
	"math"
	"slices"
)

// Inputs are measured values, in microseconds for each request unless stated otherwise.
type Inputs struct {
	// Check is the cost of a token check with everything in memory. TokenMiss is the
	// additional cost if the token is not in memory, and AccountMiss if the account is not
	// either. Each has a cost for the nodes' processors and for the database's.
	Check, TokenMiss, AccountMiss float64
	TokenRead, AccountRead        float64
	// Write is the cost of a change, such as a sign-out, for a node's processor, and
	// WriteDatabase for the database's. WriteTurn is for how long it occupies the one
	// writer.
	Write, WriteDatabase, WriteTurn float64
	// Turn is for how long a commit occupies the one writer, with all changes that share
	// it.
	Turn float64
	// Use is the cost for the database's processors of recording that a token was used.
	// PassedUse is that of a use that another node has just recorded.
	Use, PassedUse float64
	// SignIn is the processor time of a sign-in, nearly all of it the hash.
	SignIn float64
	// AccountBytes and TokenBytes are the sizes of a row in the database with its indexes.
	AccountBytes, TokenBytes float64
}

// Machines describes the machines that usher runs on.
type Machines struct {
	NodeCores, DatabaseCores float64
	// TokenCache and AccountCache are how many of each a node caches, and TokenEntry how
	// many bytes a cached token takes.
	TokenCache, AccountCache, TokenEntry float64
	// Base is a node's memory without cached tokens, and Memory is its total memory.
	Base, Memory float64
}

// Demand describes the load.
type Demand struct {
	Accounts, Tokens float64
	// Active is the proportion of the tokens, and of the accounts, that are used at this
	// time of day, all equally often.
	Active float64
	// Checks, SignIns and Writes are rates per second.
	Checks, SignIns, Writes float64
}

// Times of internal/token, in seconds. A node records a use of a token ten minutes after
// the last recorded use that it knows, and it renews the key of its transient tokens.
const (
	noteEvery  = 600
	renewEvery = 5
)

// Full is how much of a resource may be used before requests queue up.
const Full = 0.7

// Load is the used proportion of each resource: 1 is all of it.
type Load struct {
	NodeCPU, DatabaseCPU, Writer, Memory float64
}

// The names of resources.
const (
	NodeCPU     = "processors of the nodes"
	DatabaseCPU = "processors of the database"
	Writer      = "the one writer"
	Memory      = "memory of the nodes"
)

// Parts returns the resources of a load by name.
func (l Load) Parts() map[string]float64 {
	return map[string]float64{NodeCPU: l.NodeCPU, DatabaseCPU: l.DatabaseCPU, Writer: l.Writer, Memory: l.Memory}
}

// Fullest returns the resource with the highest load.
func (l Load) Fullest() (name string, used float64) {
	parts := l.Parts()
	names := []string{NodeCPU, DatabaseCPU, Writer, Memory}
	name = slices.MaxFunc(names, func(a, b string) int {
		switch {
		case parts[a] < parts[b]:
			return -1
		case parts[a] > parts[b]:
			return 1
		}
		return 0
	})
	return name, parts[name]
}

const second = 1e6 // in microseconds

// Of returns the load of a number of nodes. A balancer sends each request to any
// node, so each node sees all tokens.
func Of(in Inputs, m Machines, d Demand, nodes float64) Load {
	tokenMiss := missed(m.TokenCache, d.Active*d.Tokens)
	accountMiss := missed(m.AccountCache, d.Active*d.Accounts)
	written, passed := Uses(m, d, nodes)
	nodeCPU := d.Checks*(in.Check+tokenMiss*in.TokenMiss+accountMiss*in.AccountMiss) + d.Writes*in.Write + d.SignIns*in.SignIn
	databaseCPU := d.Checks*(tokenMiss*in.TokenRead+accountMiss*in.AccountRead) +
		(d.Writes+d.SignIns)*in.WriteDatabase + written*in.Use + passed*in.PassedUse
	return Load{
		NodeCPU:     nodeCPU / (nodes * m.NodeCores * second),
		DatabaseCPU: databaseCPU / (m.DatabaseCores * second),
		Writer:      ((d.Writes+d.SignIns)*in.WriteTurn + nodes/renewEvery*in.Turn) / second,
		Memory:      (m.Base + min(m.TokenCache, d.Active*d.Tokens)*m.TokenEntry) / m.Memory,
	}
}

// missed returns the proportion of lookups that miss a cache of this size.
func missed(cache, of float64) float64 {
	if of <= cache {
		return 0
	}
	return 1 - cache/of
}

// Uses returns how many uses all nodes write per second, and how many they record that
// another node has just written. A use is recorded for each active token that is checked at
// least once in ten minutes. For a token in memory, each node records one, and the database
// writes at most two. A token that is not in memory is read with its last use, and is
// recorded once.
func Uses(m Machines, d Demand, nodes float64) (written, passed float64) {
	active := d.Active * d.Tokens
	if active == 0 {
		return 0, 0
	}
	seen := active * (1 - math.Exp(-d.Checks*noteEvery/active)) / noteEvery
	inMemory := seen * (1 - missed(m.TokenCache, active))
	written = seen - inMemory + inMemory*min(nodes, 2)
	return written, inMemory * max(0, nodes-2)
}

// Most returns how many checks per second a number of nodes can answer before a resource is
// full, and the resource. Sign-ins and writes grow with the checks.
func Most(in Inputs, m Machines, d Demand, nodes float64) (checks float64, name string) {
	at := func(checks float64) Load {
		more := d
		more.Checks = checks
		more.SignIns *= checks / d.Checks
		more.Writes *= checks / d.Checks
		return Of(in, m, more, nodes)
	}
	low, high := 0.0, 1e8
	for range 100 {
		middle := (low + high) / 2
		if _, used := at(middle).Fullest(); used > Full {
			high = middle
		} else {
			low = middle
		}
	}
	name, _ = at(high).Fullest()
	return low, name
}

// Storage returns how many bytes the accounts and tokens take in the database.
func Storage(in Inputs, d Demand) float64 { return d.Accounts*in.AccountBytes + d.Tokens*in.TokenBytes }
