package web

import (
	"slices"
	"strings"
)

// tab is a link at the top of some pages.
type tab struct {
	Path, Name string
	// Current is set for the page that is shown, and for those below it.
	Current bool
}

// tabs are the links between the pages below the first of them.
type tabs struct {
	// Label names them, for people who hear the page.
	Label string
	// Admin: only admins see them.
	Admin bool
	Tabs  []tab
}

// tabsAt returns the tabs of the visitor's page: those with the first tab that the
// page is below. None, if the visitor may not open the page.
func tabsAt(all []tabs, v *visit) tabs {
	path := v.URL.Path
	for _, of := range all {
		first := of.Tabs[0].Path
		if !v.signedIn() || of.Admin && !v.account.Admin || path != first && !strings.HasPrefix(path, first+"/") {
			continue
		}
		of.Tabs = slices.Clone(of.Tabs)
		for i, t := range of.Tabs {
			below := t.Path != first && strings.HasPrefix(path, t.Path+"/")
			of.Tabs[i].Current = path == t.Path || below
		}
		return of
	}
	return tabs{}
}
