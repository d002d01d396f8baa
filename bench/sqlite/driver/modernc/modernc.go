// Package modernc measures modernc.org/sqlite: SQLite translated to Go, behind database/sql.
package modernc

import (
	"net/url"

	_ "modernc.org/sqlite" // registers "sqlite"

	"github.com/usher-auth/usher/bench/sqlite/driver"
	"github.com/usher-auth/usher/bench/sqlite/driver/sqldb"
)

var source = sqldb.Source{Driver: "sqlite", DSN: dsn}

// Driver is the candidate.
var Driver = driver.Driver{
	Name:       "modernc",
	Module:     "modernc.org/sqlite",
	OpenReader: source.OpenReader,
	OpenWriter: source.OpenWriter,
}

// dsn repeats one parameter, once for each setting.
func dsn(path string) string {
	query := make(url.Values)
	for _, p := range driver.Pragmas {
		query.Add("_pragma", p.Name+"("+p.Value+")")
	}
	return "file:" + path + "?" + query.Encode()
}
