package web

import (
	"slices"
	"strings"
)

// tab is a link at the top of the pages for admins.
type tab struct {
	Path, Name string
	// Current is set for the page that is shown, and for those below it.
	Current bool
}

// tabsAt returns the tabs of the visitor's page: nil unless it is one of those
// below the first tab, and the visitor is an admin.
func tabsAt(tabs []tab, v *visit) []tab {
	first, path := tabs[0].Path, v.URL.Path
	if !v.account.Admin || path != first && !strings.HasPrefix(path, first+"/") {
		return nil
	}
	shown := slices.Clone(tabs)
	for i, t := range shown {
		below := t.Path != first && strings.HasPrefix(path, t.Path+"/")
		shown[i].Current = path == t.Path || below
	}
	return shown
}
