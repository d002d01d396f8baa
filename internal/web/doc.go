// Package web is usher's pages for people: set-up, sign-in, linking a device,
// the account and, for admins, everything else.
//
// It owns HTML, forms, the session cookie and what browsers are told (CSP,
// Referrer-Policy and so on). It does not own who someone is, what a PIN or a
// token is, or what may be tried how often: it asks the domain packages, as
// package server does for programs. No token of a program works here, and no
// cookie of these pages works there.
//
// # How a page works
//
// table in pages.go has every page: method, path, who may see it, handler. A
// handler gets a visit and returns a view: a template with its data, or where
// to go next. Forms are plain ones that work without JavaScript; each change is
// a POST, after which the browser is sent to a GET, so that going back or
// reloading repeats nothing.
//
// A request that changes something must come from these pages themselves:
// http.CrossOriginProtection refuses what a browser says comes from elsewhere,
// and the cookie is SameSite=Lax besides.
package web
