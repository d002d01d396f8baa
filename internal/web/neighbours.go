package web

import (
	"net/url"

	"github.com/usher-auth/usher/internal/paging"
)

// neighbours are the links from one page of a listing to the previous and the next. They are
// plain addresses, and work without JavaScript.
type neighbours struct {
	// What names the listing, for people who hear the page.
	What           string
	Previous, Next string // empty: no such page
	// First is the first page, if this page has no rows before it because they were
	// removed. It is empty if this is the first page.
	First string
}

// wantedPage returns which page of a listing the address requests. name distinguishes
// several listings on one page, and is empty if there is only one.
func wantedPage(v *visit, name string, limit int) paging.Request {
	q := v.URL.Query()
	return paging.Request{
		After: paging.Cursor(q.Get(name + "after")), Before: paging.Cursor(q.Get(name + "before")), Limit: limit,
	}
}

// besides returns the links of a listing on the page at a path. The answer to a form has
// another address than the page that it shows again, from the beginning.
func besides[T any](v *visit, path, name, what string, l paging.List[T]) neighbours {
	to := func(place string, c paging.Cursor) string {
		q := make(url.Values)
		if v.URL.Path == path {
			q = v.URL.Query()
		}
		for _, other := range []string{name + "after", name + "before", "done"} {
			q.Del(other)
		}
		if c != "" {
			q.Set(name+place, string(c))
		} else if place != "" {
			return ""
		}
		return (&url.URL{Path: path, RawQuery: q.Encode()}).String()
	}
	n := neighbours{What: "Pages of " + what, Previous: to("before", l.Previous), Next: to("after", l.Next)}
	if here := wantedPage(v, name, 0); n.Previous == "" && here != (paging.Request{}) {
		n.First = to("", "")
	}
	return n
}
