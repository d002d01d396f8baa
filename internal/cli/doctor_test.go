package cli

import (
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/internal/missed"
)

// Unknown paths that were requested are saved while the server runs, so that usher doctor
// can list them. They are also saved when the server stops.
func TestMissedPathsAreSaved(t *testing.T) {
	data := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		asked := missed.New(nil)
		stop := serveCommands{folder: &folder{data: data}}.keepSaving(t.Context(), asked, slog.New(slog.DiscardHandler))
		saved := func() int64 {
			list, err := missed.Read(filepath.Join(data, "unknown-paths.json"))
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				return 0
			}
			return list[0].Count
		}
		for want := range int64(3) {
			if got := saved(); got != want {
				t.Errorf("%d paths are saved, want %d", got, want)
			}
			asked.Count("/hubs")
			time.Sleep(saveInterval)
			synctest.Wait()
		}
		asked.Count("/hubs")
		stop()
		if got := saved(); got != 4 {
			t.Errorf("%d paths are saved after the server has stopped, want 4", got)
		}
	})
}
