package web

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"time"

	"github.com/usher-auth/usher/internal/adminkey"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/home"
	"github.com/usher-auth/usher/internal/mail"
	"github.com/usher-auth/usher/internal/notify"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/plexauth"
)

// Row is a row of the table of pages.
type Row struct {
	Method, Path string
	// HalfSignedIn, SignedIn and Admin say who may open it. If all are false, anyone may.
	HalfSignedIn, SignedIn, Admin bool
}

// Rows lists every page.
func Rows() []Row {
	var rows []Row
	for _, p := range New(&core.Core{}, Config{}).table {
		rows = append(rows, Row{p.method, p.path, p.need == halfSignedIn, p.need >= signedIn, p.need == admin})
	}
	return rows
}

// AdminPage is a page for admins that says "secret".
func (p *Pages) AdminPage() http.Handler {
	return p.frame.handler(page{need: admin, handle: func(context.Context, *visit) (view, error) {
		return view{name: "message", data: message{Title: say("secret")}}, nil
	}})
}

// Failing is a page that fails with an error.
func Failing(err error) http.Handler {
	pages := New(&core.Core{Logger: slog.New(slog.DiscardHandler)}, Config{})
	return pages.frame.handler(page{need: anyone, handle: func(context.Context, *visit) (view, error) {
		return view{}, err
	}})
}

// SubmitCode submits the form of the second step with a session that was loaded earlier,
// and returns where the browser is redirected.
func SubmitCode(ctx context.Context, c *core.Core, half session.Session, form url.Values) (string, error) {
	step := &secondStep{
		accounts: c.Accounts, passkeys: c.Passkeys,
		browsers: &browserSessions{sessions: c.Sessions, accounts: c.Accounts, notices: c.Notices, log: c.Logger, now: c.Now},
	}
	v := newVisit(httptest.NewRequest(http.MethodPost, "/auth/code", nil), false, "")
	v.session, v.PostForm = half, form
	answer, err := step.submit(ctx, v)
	return answer.to, err
}

// Statics lists the URLs of the static files.
func Statics() (urls []string, err error) {
	names, err := fs.Glob(files, "static/*")
	for _, name := range names {
		urls = append(urls, staticURL(path.Base(name)))
	}
	return urls, err
}

// Templates lists the texts of the templates.
func Templates() (texts map[string]string, err error) {
	names, err := fs.Glob(files, "templates/*")
	texts = make(map[string]string)
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		texts[name] = string(text)
	}
	return texts, err
}

// Parsers of untrusted input, the chart, and texts for users.
var (
	LocalPath     = localPath
	ForwardTarget = pin.ParseForward
	NewChart      = newChart
	WaitText      = waitText
	Ago           = ago
	Claim         = claim
	KindOf        = kindOf
	Translated    = translated
	ReadTexts     = readTexts
)

// CookieName is prefixed, for tests.
var CookieName = prefixed

// NoticeLetter is the e-mail with notices, in English.
func NoticeLetter(m notify.Mail, address plexauth.Secret) mail.Message {
	return noticeLetter(m, address).in(english)
}

// WhatHappened is the text of a notice, in English.
func WhatHappened(n notify.Notice) string { return whatHappened(n).String() }

// Units lists the translatable texts of the templates.
func Units() (units []string, err error) {
	templates, err := Templates()
	for _, source := range templates {
		translated(source, func(unit string) string {
			units = append(units, oneLine(unit))
			return unit
		})
	}
	return units, err
}

// TextsOfTables lists the English texts in tables of the package.
func TextsOfTables() (texts []string) {
	for _, table := range []map[string]string{doneTexts, adminDone, familyTexts, restrictionNames} {
		for _, text := range table {
			texts = append(texts, text)
		}
	}
	for _, of := range []tabs{accountTabs, adminTabs} {
		texts = append(texts, of.Label)
		for _, t := range of.Tabs {
			texts = append(texts, t.Name)
		}
	}
	for _, role := range []home.Role{home.Owner, home.Admin, home.Member, home.Managed, home.Guest} {
		texts = append(texts, role.String())
	}
	for _, scope := range adminkey.Scopes() {
		texts = append(texts, scope.Means)
	}
	for _, k := range recentKinds {
		texts = append(texts, k.what)
		if k.kind == audit.SignInRefused {
			texts = append(texts, k.what+": %s")
		}
	}
	for _, m := range audit.Meanings() {
		texts = append(texts, m.Means)
	}
	for _, p := range errorPages {
		texts = append(texts, p.title)
	}
	for _, s := range chartSeries {
		texts = append(texts, s.name)
	}
	for _, c := range []chartOf{dayChart, weekChart} {
		texts = append(texts, c.some, c.none)
	}
	for month := time.January; month <= time.December; month++ {
		texts = append(texts, month.String())
	}
	return append(texts, ownAccount, aThousand, "Pages of servers", "Pages of providers")
}

// Catalogues returns the texts of each language except English.
func Catalogues() map[string]map[string]string {
	all := make(map[string]map[string]string)
	for _, l := range allLanguages().list[1:] {
		all[l.tag] = l.texts
	}
	return all
}

// The verbs of texts, and the numbers with which translations reorder them.
var (
	Filled   = regexp.MustCompile(`%(\[\d\])?(\.\d+)?[a-z]|\{\{.*?\}\}|</?[a-z]+`)
	Numbered = regexp.MustCompile(`^%\[\d\]`)
)
