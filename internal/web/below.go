package web

import (
	"html/template"
	"regexp"
	"strings"

	"github.com/usher-auth/usher/plexauth"
)

// root is the path that browsers reach the pages below: that of the public URL, such
// as /usher. If empty, the pages are at the root of their host.
//
// Only what leaves for the browser has it. The pages, their links and forms, and
// "next" name paths without it; templates get it when they are parsed (atRoot),
// redirects in frame.redirect, cookies in frame.setCookie, and scripts from the
// element html.
type root string

// at is where browsers find a path of these pages.
func (r root) at(path string) string { return string(r) + path }

// link is the function "at" of templates, which atRoot adds. Anything but a path of this site
// stays as it is.
func (r root) link(to any) any {
	switch to := to.(type) {
	case string:
		return r.local(to)
	case plexauth.Secret:
		return r.local(string(to))
	case template.URL:
		return template.URL(r.local(string(to)))
	}
	return to
}

func (r root) local(to string) string {
	if strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") {
		return r.at(to)
	}
	return to
}

var (
	// pathAttribute is an attribute with a path of this site as it is written, up to
	// the path.
	pathAttribute = regexp.MustCompile(`\b((?:form)?action|href|src)="/`)
	// shownAttribute is one with an address that begins with what an action shows.
	shownAttribute = regexp.MustCompile(`\b((?:form)?action|href|src)="\{\{([^{}]*)\}\}`)
)

// atRoot makes the links, forms and files of a template lead below the root. So
// templates, and their texts in other languages, write paths without it.
func atRoot(source string) string {
	source = shownAttribute.ReplaceAllString(source, `$1="{{at ($2)}}`)
	return pathAttribute.ReplaceAllString(source, `$1="{{root}}/`)
}
