// Package all lists the candidates. A program that imports it links all of them.
package all

import (
	"github.com/usher-auth/usher/bench/sqlite/driver"
	"github.com/usher-auth/usher/bench/sqlite/driver/mattn"
	"github.com/usher-auth/usher/bench/sqlite/driver/modernc"
	"github.com/usher-auth/usher/bench/sqlite/driver/zombiezen"
)

// Drivers are the candidates, in the order of the table.
var Drivers = []driver.Driver{modernc.Driver, zombiezen.Driver, mattn.Driver}
