// Package mattn measures github.com/mattn/go-sqlite3: SQLite's C code behind database/sql.
package mattn

import (
	"net/url"

	_ "github.com/mattn/go-sqlite3" // registers "sqlite3"

	"github.com/usher-auth/usher/bench/sqlite/driver"
	"github.com/usher-auth/usher/bench/sqlite/driver/sqldb"
)

var source = sqldb.Source{Driver: "sqlite3", DSN: dsn}

// Driver is the candidate.
var Driver = driver.Driver{
	Name:       "mattn",
	Module:     "github.com/mattn/go-sqlite3",
	Cgo:        true,
	OpenReader: source.OpenReader,
	OpenWriter: source.OpenWriter,
}

// dsn has a parameter for each setting.
func dsn(path string) string {
	query := make(url.Values)
	for _, p := range driver.Pragmas {
		query.Set("_"+p.Name, p.Value)
	}
	return "file:" + path + "?" + query.Encode()
}
