package web

import (
	"github.com/usher-auth/usher/internal/fault"
)

// Errors of the pages themselves.
var (
	errElsewhere = fault.New(fault.Denied,
		"your browser reports that another site sent this form, so nothing was changed; open the page here and try again")
	errForm     = fault.New(fault.Invalid, "the form could not be read, so nothing was changed; go back and try again")
	errNotAdmin = fault.New(fault.Denied, "only an admin of this server can see this page")
	errNoPage   = fault.New(fault.NotFound, "there is no page at this address")
	errSetupKey = fault.New(fault.Denied,
		"the set-up link works once, and only until the server is restarted; use the newest one that usher printed")
)

// errorPage is how a kind of error is shown. The text is the error's own.
type errorPage struct {
	status int
	title  string
	// form: a form that fails with it is shown again with the text.
	form bool
}

// errorPages has the page for each kind of error.
var errorPages = [...]errorPage{
	fault.Unknown:         {500, "Something went wrong", false},
	fault.NotFound:        {404, "Not found", false},
	fault.Exists:          {409, "It exists already", true},
	fault.Conflict:        {409, "Not possible now", true},
	fault.Invalid:         {400, "Invalid request", true},
	fault.TooLarge:        {413, "Too large", true},
	fault.Unsupported:     {415, "Not supported", true},
	fault.Unauthenticated: {401, "Not accepted", true},
	fault.Denied:          {403, "Access denied", false},
	fault.Limited:         {429, "Too many attempts", true},
	fault.Busy:            {503, "One moment", false},
	fault.Unavailable:     {503, "Not finished", false},
}

// failure is the page of an error. An error without a kind is logged.
func (f *frame) failure(v *visit, err error) view {
	status, title, text := f.explain(v, err)
	return view{name: "message", status: status, retry: fault.WaitOf(err), data: message{say(title), text, "/", say("Back to start")}}
}

// jsonFailure is failure for one of our own scripts: the text, in JSON.
func (f *frame) jsonFailure(v *visit, err error) view {
	status, _, text := f.explain(v, err)
	return view{status: status, retry: fault.WaitOf(err), json: map[string]string{"problem": text.in(v.language()), "field": fault.FieldOf(err)}}
}

func (f *frame) explain(v *visit, err error) (status int, title string, text phrase) {
	found := fault.Find(err)
	page := errorPages[fault.KindOf(err)]
	if found == nil {
		f.log.Error("a page failed", "path", v.Pattern, "error", err)
		return page.status, page.title, say("It is not your fault. The server's log says what happened.")
	}
	return page.status, page.title, errorText(found)
}

// problem returns the text to show with a form that failed with err. It returns
// false when err is nil or needs a page of its own.
func problem(err error) (phrase, bool) {
	found := fault.Find(err)
	if found == nil || !errorPages[found.Kind].form {
		return phrase{}, false
	}
	return errorText(found), true
}

// errorText is what people read of an error.
func errorText(e *fault.Error) phrase {
	format, args := e.Parts()
	p := phrase{format: format, args: args, sentence: true}
	if e.Kind == fault.Limited {
		wait := waitText(e.Wait)
		p.then = &wait
	}
	return p
}
