// Command none is the probe without a driver.
package main

import (
	"github.com/usher-auth/usher/bench/sqlite/driver"
	"github.com/usher-auth/usher/bench/sqlite/probe"
)

func main() { probe.Main(driver.Driver{Name: "none"}) }
