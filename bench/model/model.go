// Package model computes what saturates first when usher is used by more people than
// a measurement can have.
//
// It owns the arithmetic. What requests cost is measured by bench/scale; bench/plan
// prints and draws what comes out.
package model

import (
	"math"
	"slices"
)

// Inputs are what was measured: microseconds for each request, unless they say
// otherwise.
type Inputs struct {
	// A token check with everything in memory; what it takes more if the token is
	// not; and what it takes more if the account is not, either: of the nodes'
	// processors, and of the database's.
	Check, TokenMiss, AccountMiss float64
	TokenRead, AccountRead        float64
	// A change, such as a sign-out: of a node's processor, of the database's, and
	// for how long it keeps the one writer busy.
	Write, WriteDatabase, WriteTurn float64
	// Turn is how long a commit keeps the one writer busy, with all that shares it.
	Turn float64
	// A note that a token was used, of the database's processors, and one of a use that
	// another node has just noted.
	Use, PassedUse float64
	// SignIn is the processor time of a sign-in, nearly all of it the hash.
	SignIn float64
	// What a row takes in the database with its indexes, in bytes.
	AccountBytes, TokenBytes float64
}

// Machines is what there is to run on.
type Machines struct {
	NodeCores, DatabaseCores float64
	// TokenCache and AccountCache are how many of each a node keeps in memory, and
	// TokenEntry how many bytes a token takes there.
	TokenCache, AccountCache, TokenEntry float64
	// Base is a node's memory without cached tokens, and Memory what it has.
	Base, Memory float64
}

// Demand is what people want of it.
type Demand struct {
	Accounts, Tokens float64
	// Active is the part of the tokens, and of the accounts, that is used at this
	// time of the day, each as often as any other.
	Active float64
	// Checks, SignIns and Writes are how many there are a second.
	Checks, SignIns, Writes float64
}

// Times of internal/token, in seconds: a node notes a token ten minutes after the note
// that it knows, and renews the key of its transient tokens.
const (
	noteEvery  = 600
	renewEvery = 5
)

// Full is how much of a resource may be used before requests queue up.
const Full = 0.7

// Load is how much of each resource is used: 1 is all of it.
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

// Fullest returns the resource that is used most.
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

// missed returns the part of look-ups that a cache of some of so many does not have.
func missed(cache, of float64) float64 {
	if of <= cache {
		return 0
	}
	return 1 - cache/of
}

// Uses returns how many uses all nodes write a second, and how many they note that
// another node has just written. Of the active tokens, those are noted that are checked
// at least once in ten minutes. Of those in memory, each node notes each, and the
// database writes it twice at most. One that is not in memory is read with its last use,
// and is noted once.
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

// Most returns how many checks a second a number of nodes can answer before a
// resource is full, and which one that is. Sign-ins and writes grow with the checks.
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
