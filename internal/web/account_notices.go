package web

import (
	"context"

	"github.com/usher-auth/usher/internal/notify"
)

const noticesPath = ownPath + "/notices"

// ownNotices shows visitors what happened to their account, and what to do if it was
// not them.
type ownNotices struct {
	notices *notify.Service
	post    post
}

func (o *ownNotices) pages() []page {
	return []page{
		{"GET", noticesPath, signedIn, section(o.show).asHandler},
		{"POST", noticesPath + "/read", signedIn, o.read},
		{"POST", noticesPath + "/e-mails", signedIn, o.setMails},
	}
}

// noticesData is the section of notices.
type noticesData struct {
	ownNotice
	Notices []notify.Notice
	Unseen  int // on all pages
	// Latest is the ID of the newest notice when the page was read; 0 on later pages.
	Latest  int64
	Besides neighbours
	Mail    bool // usher sends e-mails
	Quiet   bool // but none about new devices
}

// What returns what happened.
func (noticesData) What(n notify.Notice) phrase { return whatHappened(n) }

// Who returns who did it.
func (noticesData) Who(n notify.Notice) phrase { return whoDid(n) }

func (o *ownNotices) show(ctx context.Context, v *visit, s sent) (view, error) {
	data := noticesData{ownNotice: newOwnNotice(v, s), Mail: o.post.on()}
	list, err := o.notices.List(ctx, v.account.ID, wantedPage(v, "", tallRows))
	if err != nil {
		return view{}, err
	}
	data.Notices, data.Besides = list.Rows, besides(v, noticesPath, "", "notices", list)
	if len(list.Rows) > 0 && list.Previous == "" {
		data.Latest = list.Rows[0].ID
	}
	if data.Unseen, err = o.notices.Unseen(ctx, v.account.ID); err != nil {
		return view{}, err
	}
	setting, err := o.notices.Setting(ctx, v.account.ID)
	data.Quiet = setting.Quiet
	return view{name: "account-notices", data: data}, err
}

// read marks what the visitor was shown as seen.
func (o *ownNotices) read(ctx context.Context, v *visit) (view, error) {
	err := o.notices.See(ctx, v.account.ID, number(v.PostFormValue("latest")))
	return section(o.show).changed(ctx, v, noticesPath, "notices", err)
}

// setMails turns the e-mails about new devices off, or on again.
func (o *ownNotices) setMails(ctx context.Context, v *visit) (view, error) {
	quiet := v.PostFormValue("quiet") != ""
	done := "mails-on"
	if quiet {
		done = "mails-off"
	}
	err := o.notices.SetQuiet(ctx, v.actor(), v.account.ID, quiet)
	return section(o.show).changed(ctx, v, noticesPath, done, err)
}

// whatHappened says what a notice is about, in a sentence without its full stop.
func whatHappened(n notify.Notice) phrase {
	switch n.Kind {
	case notify.NewDevice:
		return say("A new device signed in")
	case notify.NewBrowser:
		return say("A new browser signed in")
	case notify.Password:
		return say("The password was changed")
	case notify.FactorAdded:
		return say("The second factor was set up")
	case notify.FactorRemoved:
		return say("The second factor was turned off")
	case notify.PasskeyAdded:
		return say("A passkey was added")
	case notify.PasskeyGone:
		return say("A passkey was removed")
	case notify.Email:
		return say("The e-mail address was changed")
	case notify.Link:
		return say("A link was created that changes how you sign in")
	case notify.Tries:
		return say("%d sign-ins failed within an hour", n.Tries)
	case notify.Codes:
		return say("Many wrong codes were entered after your password")
	case notify.Rules:
		return say("The rules for how you sign in were changed")
	case notify.AdminKey:
		return say("A key of the admin API was made")
	case notify.Webhook:
		return say("A webhook was added: its address is told what happens to your account")
	case notify.HookSecret:
		return say("The secret of your webhooks was shown")
	case notify.Quiet:
		return say("E-mails about new devices were turned off")
	}
	return say("Something happened to your account")
}

// whoDid returns the actor of a notice's event, or empty if unknown or obvious.
func whoDid(n notify.Notice) phrase {
	switch n.Kind {
	case notify.NewDevice, notify.NewBrowser, notify.Tries, notify.Codes:
		return phrase{}
	}
	switch {
	case n.ByLink:
		return say("with a link")
	case n.Actor != "":
		return say("by %s", n.Actor)
	}
	return say("by your own account")
}
