package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/usher-auth/usher/internal/store"
)

// A copy is of one moment, whatever is written meanwhile: its audit log is
// whole and tells of the accounts that it has, and of no other.
func TestBackupWhileWriting(t *testing.T) {
	s := open(t, t.TempDir())
	addAccount(t, s, "first", "")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				addAccount(t, s, fmt.Sprint("mia", i), "")
			}
		}
	})
	for range 5 {
		dir := t.TempDir()
		if err := s.Backup(t.Context(), filepath.Join(dir, store.Name)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, store.Name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the copy has mode %v (error %v), want 0600", info.Mode(), err)
		}
		backup, err := store.Open(t.Context(), store.Config{Dir: dir, MustExist: true})
		if err != nil {
			t.Fatal(err)
		}
		rows, err := backup.VerifyAudit(t.Context())
		list, listErr := backup.Accounts(t.Context())
		if err != nil || listErr != nil || len(list) == 0 || rows != int64(len(list)) {
			t.Errorf("the copy has %d rows of %d accounts: %v, %v", rows, len(list), err, listErr)
		}
		if err := backup.Close(); err != nil {
			t.Error(err)
		}
	}
}
