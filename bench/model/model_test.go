package model_test

import (
	"math"
	"testing"

	"github.com/usher-auth/usher/bench/model"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// The inputs are round numbers, so that every value can be computed by hand.
var (
	inputs = model.Inputs{
		Check: 20, TokenMiss: 80, AccountMiss: 100, TokenRead: 40, AccountRead: 60,
		Write: 400, WriteDatabase: 500, WriteTurn: 1000, Turn: 5000, Use: 50, PassedUse: 10, SignIn: 20_000,
		AccountBytes: 800, TokenBytes: 250,
	}
	machines = model.Machines{
		NodeCores: 4, DatabaseCores: 8, TokenCache: 200_000, AccountCache: 4000, TokenEntry: 160, Base: 68e6, Memory: 1e9,
	}
	demand = model.Demand{Accounts: 10_000, Tokens: 500_000, Active: 0.8, Checks: 10_000, SignIns: 10, Writes: 20}
)

func TestModel(t *testing.T) {
	// Half of the 400,000 active tokens are in memory, and half of the 8,000 active
	// accounts. A check takes 20 + 0.5×80 + 0.5×100 = 110 µs of a node, and 0.5×40 + 0.5×60
	// = 50 of the database.
	load := model.Of(inputs, machines, demand, 4)
	// 10,000×110 + 20×400 + 10×20,000 = 1,308,000 µs, of 4×4 seconds.
	near(t, "the nodes' processors", load.NodeCPU, 1_308_000/16e6)
	// In ten minutes there are 6,000,000 checks of 400,000 tokens: all but e^(−15) of them
	// are used, so 666.67 uses are due each second. Half of these tokens are in memory.
	// Four nodes record those, and two of the records are written.
	due := 400_000 * (1 - math.Exp(-15)) / 600
	written, passed := model.Uses(machines, demand, 4)
	near(t, "uses that are written", written, due*0.5+due*0.5*2)
	near(t, "uses that were written before", passed, due*0.5*2)
	// 10,000×50 + 30×500 + 1.5 times the due ones ×50 + once ×10.
	near(t, "the database's processors", load.DatabaseCPU, (500_000+15_000+due*1.5*50+due*10)/8e6)
	// 30×1,000, and each node renews its key every five seconds.
	near(t, "the writer", load.Writer, (30_000+4.0/5*5000)/1e6)
	// 68 MB + 200,000×160.
	near(t, "memory", load.Memory, 0.1)
	name, used := load.Fullest()
	if name != model.Memory || used != load.Memory {
		t.Errorf("the resource with the highest load is %s", name)
	}
	// 8 MB and 125 MB.
	near(t, "storage", model.Storage(inputs, demand), 133e6)
}

// With everything in memory and no writes, only the nodes' processors are used, up to 70 %.
func TestMost(t *testing.T) {
	d := demand
	d.Tokens, d.Accounts, d.SignIns, d.Writes = 1000, 100, 0, 0
	in := inputs
	in.Use, in.PassedUse, in.Turn = 0, 0, 0
	for _, nodes := range []float64{1, 2, 3} {
		checks, name := model.Most(in, machines, d, nodes)
		near(t, "checks a second", math.Round(checks), nodes*4*1e6*0.7/20)
		if name != model.NodeCPU {
			t.Errorf("with %v nodes, the first full resource is %s", nodes, name)
		}
	}
	// A few tokens that are used all the time, on one node and on five.
	few := model.Demand{Tokens: 6000, Active: 1, Checks: 1e6}
	for nodes, want := range map[float64][2]float64{1: {10, 0}, 2: {20, 0}, 5: {20, 30}} {
		written, passed := model.Uses(machines, few, nodes)
		near(t, "uses that are written", written, want[0])
		near(t, "uses that were written before", passed, want[1])
	}
	written, _ := model.Uses(machines, model.Demand{Checks: 1e6}, 1)
	near(t, "uses without tokens", written, 0)
}
