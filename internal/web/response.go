package web

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/glyph"
)

// view is what a handler returns: a redirect, JSON or a page, in this order.
type view struct {
	// to is the path on this site that the browser is redirected to.
	to string
	// json is the answer to one of our own scripts.
	json any
	// name is a file in templates, without ".html".
	name string
	// data is what the template shows.
	data any
	// status of the page or the JSON. 0: 200.
	status int
	// retry is when to try again after an error. 0 if unknown.
	retry time.Duration
	// cookies are set in the browser. See setCookie for what may be left out.
	cookies []*http.Cookie
	// refresh is an address on another site that the page redirects to automatically.
	// It is sent as a header, because form-action in the Content-Security-Policy
	// blocks a redirect to another site after a form.
	refresh string
}

// message is the data of a page with one text and one link.
type message struct {
	Title, Text phrase
	To          string
	Way         phrase
}

// layoutData is what every template gets.
type layoutData struct {
	// Account is who is signed in. Its ID is 0 if nobody is.
	Account account.Account
	Path    string
	// Tabs are the links between the pages of one kind; empty on other pages.
	Tabs tabs
	// Unsaved: the visitor was signed out when they sent a form of this page.
	Unsaved bool
	// Server is what this server is called, and Version that of usher.
	Server, Version string
	Data            any
}

// asJSON makes a handler answer one of our own scripts: with the path to go to,
// with what is wrong, or with the handler's own JSON.
func asJSON(handle handler) handler {
	return func(ctx context.Context, v *visit) (view, error) {
		v.json = true
		answer, err := handle(ctx, v)
		if err == nil && answer.json == nil {
			answer.json, answer.to = map[string]string{"to": v.root.at(answer.to)}, ""
		}
		return answer, err
	}
}

// write sends a view.
func (f *frame) write(w http.ResponseWriter, v *visit, answer view) {
	for _, c := range answer.cookies {
		f.setCookie(w, v.Request, c)
	}
	if answer.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(answer.retry.Seconds()))))
	}
	switch {
	case answer.to != "":
		f.redirect(w, v.Request, answer.to)
	case answer.json != nil:
		f.writeJSON(w, v, answer)
	default:
		f.writePage(w, v, answer)
	}
}

func (f *frame) writeJSON(w http.ResponseWriter, v *visit, answer view) {
	body, err := json.Marshal(answer.json)
	if err != nil {
		f.unwritten(w, v.Pattern, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(max(answer.status, http.StatusOK))
	_, _ = w.Write(body)
}

// writePage executes the view's template before anything is sent, so that an
// error in it still gets a status of its own.
func (f *frame) writePage(w http.ResponseWriter, v *visit, answer view) {
	var b bytes.Buffer
	data := layoutData{
		Account: v.account, Path: v.URL.Path, Tabs: tabsAt(f.tabs, v), Data: answer.data,
		Unsaved: v.signedIn() && isUnsaved(v.URL), Server: f.name, Version: f.version,
	}
	page, err := f.templates.named(answer.name, v.language(), v.account.ID != 0 && v.account.ByPasskeyOnly())
	if err == nil {
		err = page.ExecuteTemplate(&b, "layout.html", data)
	}
	if err != nil {
		f.unwritten(w, answer.name, err)
		return
	}
	if answer.refresh != "" {
		w.Header().Set("Refresh", "0; url="+answer.refresh)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", v.language().tag)
	w.Header().Set("Vary", "Accept-Language")
	w.WriteHeader(max(answer.status, http.StatusOK))
	// Names that others chose are all over the pages. None of them may move or hide
	// the text around it, whichever way it came into the database.
	_, _ = w.Write(glyph.AppendVisible(make([]byte, 0, b.Len()), b.Bytes()))
}

// unwritten answers when a view could not be encoded.
func (f *frame) unwritten(w http.ResponseWriter, name string, err error) {
	f.log.Error("a page could not be written", "page", name, "error", err)
	http.Error(w, "Something went wrong here; the server's log says what.", http.StatusInternalServerError)
}
