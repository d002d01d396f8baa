// Command modernc is the probe with the driver of that name.
package main

import (
	"github.com/usher-auth/usher/bench/sqlite/driver/modernc"
	"github.com/usher-auth/usher/bench/sqlite/probe"
)

func main() { probe.Main(modernc.Driver) }
