// Package web serves usher's pages to browsers: set-up, sign-in, linking a
// device, the visitor's account and, for admins, everything else.
//
// It owns HTML, forms, cookies and the headers of its answers. It does not own
// accounts, PINs, tokens or rate limits: its handlers call the domain packages.
// A program's token does not work on these pages, and their session cookie does
// not work anywhere else.
//
// # How a page works
//
// A feature is a struct with the services that it needs. Its method pages lists
// its rows: method, path, who may open the page, and the handler. A handler gets
// a visit and returns a view: a template with data, or a redirect. Forms work
// without JavaScript. Each change is a POST that redirects to a GET, so that
// going back or reloading repeats nothing.
//
// The frame does everything around the handlers, in the same way for every page.
// It knows no feature. It rejects a form that the browser says comes from
// another site (http.CrossOriginProtection); the session cookie is SameSite=Lax
// as a second defence.
//
// To add a page, add a row and a handler to its feature, and a template. To add
// a feature, add it to New as well. testdata/pages.txt has all pages on one
// screen.
package web
