// Command mattn is the probe with the driver of that name.
package main

import (
	"github.com/usher-auth/usher/bench/sqlite/driver/mattn"
	"github.com/usher-auth/usher/bench/sqlite/probe"
)

func main() { probe.Main(mattn.Driver) }
