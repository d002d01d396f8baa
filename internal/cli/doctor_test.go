package cli

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
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

// The clock is right as far as usher knows, or nothing synchronises it, or it was set back,
// which is the worst case.
func TestDoctorClock(t *testing.T) {
	for _, test := range []struct {
		name           string
		ahead          time.Duration // of the last event
		unsynchronised bool
		result, detail string
	}{
		{"right", 0, false, resultOK, "it is "},
		{"not synchronised", 0, true, resultNote, "the system reports that its clock is not synchronised"},
		{"set back", 5 * time.Minute, false, resultWrong, "the clock was set back"},
		{"both", 5 * time.Minute, true, resultWrong, "the clock was set back"},
	} {
		c := coretest.New(t, core.Config{Now: func() time.Time { return time.Now().Add(test.ahead) }})
		c.Add("mia")
		got := checkClock(t.Context(), c.Core, test.unsynchronised)
		if got.Result != test.result || !strings.Contains(got.Detail, test.detail) {
			t.Errorf("%s: %+v, want %s with %q", test.name, got, test.result, test.detail)
		}
	}
}
