package db

import (
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"testing"
)

// If another process writes for longer than a write waits, that is not an error of this
// process: the caller can retry.
func TestBusyIsUnavailable(t *testing.T) {
	file := (&url.URL{Path: filepath.Join(t.TempDir(), Name)}).EscapedPath()
	var err error
	for range 2 {
		pool, failed := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(0)")
		if failed != nil {
			t.Fatal(failed)
		}
		defer pool.Close()
		conn, failed := pool.Conn(t.Context())
		if failed != nil {
			t.Fatal(failed)
		}
		defer conn.Close()
		_, err = conn.ExecContext(t.Context(), sqliteEngine.begin)
	}
	if err == nil || !errors.Is(translate(err), ErrUnavailable) {
		t.Errorf("a write while another process writes: %v, want ErrUnavailable", translate(err))
	}
}
