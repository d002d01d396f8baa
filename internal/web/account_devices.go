package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/session"
	"github.com/usher-auth/usher/internal/token"
)

// ownDevices lists the devices and browsers that are signed in to the visitor's
// account, and signs them out.
type ownDevices struct {
	devices  *device.Service
	tokens   *token.Service
	sessions *session.Service
	caution  caution
}

func (o *ownDevices) pages() []page {
	return []page{
		{"GET", devicesPath, signedIn, section(o.show).asHandler},
		{"GET", browsersPath, signedIn, section(o.showBrowsers).asHandler},
		{"POST", devicesPath + "/{id}/revoke", signedIn, orGone(o.caution.before(risk{o.askDevice, o.revokeDevice}))},
		{"POST", "/account/sessions/{id}/end", signedIn, o.caution.before(risk{o.askSession, o.revokeSession})},
		{"POST", "/account/revoke-others", signedIn, o.caution.before(risk{o.askOthers, o.revokeOthers})},
	}
}

// orGone makes a handler say what it means that a device is not found. It may have been
// signed out a moment ago, by the first of two clicks.
func orGone(h handler) handler {
	return func(ctx context.Context, v *visit) (view, error) {
		answer, err := h(ctx, v)
		if !errors.Is(err, device.ErrNotFound) && !errors.Is(err, token.ErrNoDevice) {
			return answer, err
		}
		return view{name: "message", status: http.StatusNotFound, data: message{
			say("Not signed in"), say("This device is not signed in with your account, or not any more. Nothing was changed now."),
			devicesPath, say("To your devices"),
		}}, nil
	}
}

// devicesData is the section of devices.
type devicesData struct {
	ownNotice
	// Search and Sort are what the visitor asked for.
	Search, Sort string
	Groups       []deviceGroup
	Besides      neighbours
	Total        int // how many there are, on all pages and whatever is searched for
}

// deviceGroup is devices with the same program.
type deviceGroup struct {
	// Product is empty if the devices are listed in another order.
	Product string
	Grouped bool
	Devices []device.Device
}

// orders are the orders of the devices by their names in the address.
var orders = map[string]device.Order{"": device.ByProduct, "seen": device.BySeen, "name": device.ByName}

func (o *ownDevices) show(ctx context.Context, v *visit, s sent) (view, error) {
	q := v.URL.Query()
	data := devicesData{
		ownNotice: newOwnNotice(v, s), Search: strings.TrimSpace(q.Get("search")), Sort: q.Get("sort"),
	}
	order, ok := orders[data.Sort]
	if !ok {
		data.Sort, order = "", orders[""]
	}
	query := device.Query{Text: data.Search, Order: order}
	list, err := o.devices.Search(ctx, v.account.ID, query, wantedPage(v, "", tallRows))
	if err != nil {
		return view{}, err
	}
	data.Groups = groupDevices(list.Rows, order == device.ByProduct)
	data.Besides = besides(v, devicesPath, "", "devices", list)
	data.Total, err = o.devices.Count(ctx, v.account.ID)
	return view{name: "account-devices", data: data}, err
}

// groupDevices puts devices that follow each other and have the same program into
// a group; without byProduct, all into one.
func groupDevices(list []device.Device, byProduct bool) (groups []deviceGroup) {
	for _, d := range list {
		last := len(groups) - 1
		if last < 0 || byProduct && groups[last].Product != d.Product {
			groups = append(groups, deviceGroup{Grouped: byProduct})
			if last++; byProduct {
				groups[last].Product = d.Product
			}
		}
		groups[last].Devices = append(groups[last].Devices, d)
	}
	return groups
}

// browsersData is the section of browsers.
type browsersData struct {
	ownNotice
	Sessions []session.Session
	Current  int64 // the id of the visitor's own session
	Besides  neighbours
}

func (o *ownDevices) showBrowsers(ctx context.Context, v *visit, s sent) (view, error) {
	list, err := o.sessions.List(ctx, v.account.ID, wantedPage(v, "", tallRows))
	return view{name: "account-browsers", data: browsersData{
		newOwnNotice(v, s), list.Rows, v.session.ID, besides(v, browsersPath, "", "browsers", list),
	}}, err
}

func (o *ownDevices) askDevice(ctx context.Context, v *visit) (question, error) {
	id, err := v.pathID()
	if err != nil {
		return question{}, err
	}
	d, tokens, err := o.devices.Held(ctx, v.account.ID, id)
	return question{
		Title: say("Sign out %s?", claimed(cmp.Or(d.Name, d.Device, d.Product))),
		Ends: []phrase{
			say("It holds %s. Nothing on it works with your account any more, until it signs in again.", countOf(tokens, "token", "tokens")),
		},
		Button: say("Sign it out"), Back: devicesPath,
	}, err
}

func (o *ownDevices) revokeDevice(ctx context.Context, v *visit) (view, error) {
	id, err := v.pathID()
	if err == nil {
		err = o.tokens.RevokeDevice(ctx, v.actor(), v.account.ID, id)
	}
	return section(o.show).changed(ctx, v, devicesPath, "device", err)
}

func (o *ownDevices) askSession(ctx context.Context, v *visit) (question, error) {
	id, err := v.pathID()
	if err != nil {
		return question{}, err
	}
	list, err := paging.Rows(o.sessions.List(ctx, v.account.ID, paging.Request{Limit: session.PerAccount}))
	i := slices.IndexFunc(list, func(s session.Session) bool { return s.ID == id })
	if err == nil && i < 0 {
		err = session.ErrNotFound
	}
	if err != nil {
		return question{}, err
	}
	return question{
		Title: say("Sign out %s?", browserIn(list[i].UserAgent)), Ends: []phrase{say("1 browser has to sign in again.")},
		Button: say("Sign it out"), Back: browsersPath,
	}, nil
}

func (o *ownDevices) revokeSession(ctx context.Context, v *visit) (view, error) {
	id, err := v.pathID()
	if err == nil {
		err = o.sessions.Revoke(ctx, v.actor(), v.account.ID, id)
	}
	return section(o.showBrowsers).changed(ctx, v, browsersPath, "browser", err)
}

// othersPaths are the pages from which everything else is signed out.
var othersPaths = []string{devicesPath, browsersPath, noticesPath}

func (o *ownDevices) askOthers(ctx context.Context, v *visit) (question, error) {
	devices, err := o.devices.Count(ctx, v.account.ID)
	if err != nil {
		return question{}, err
	}
	tokens, err := o.tokens.CountSelected(ctx, token.Selection{AccountID: v.account.ID})
	if err != nil {
		return question{}, err
	}
	browsers, err := o.sessions.CountOf(ctx, v.account.ID)
	return question{
		Title: say("Sign out everything but this browser?"),
		Ends: []phrase{
			say("%s, with %s", countOf(devices, "device or program", "devices and programs"), countOf(tokens, "token", "tokens")),
			countOf(browsers-1, "other browser", "other browsers"),
		},
		Button: say("Sign out everything else"), Back: v.back(othersPaths...),
	}, err
}

func (o *ownDevices) revokeOthers(ctx context.Context, v *visit) (view, error) {
	err := o.sessions.RevokeOthers(ctx, v.actor(), v.account.ID, v.session.ID)
	return section(o.show).changed(ctx, v, v.back(othersPaths...), "others", err)
}
