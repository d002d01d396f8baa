package web

import (
	"cmp"
	"context"
	"net/url"
	"strings"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/device"
	"github.com/usher-auth/usher/internal/token"
)

// merges makes one device of two that are one, as their owner does or an admin.
type merges struct {
	accounts *account.Service
	devices  *device.Service
	tokens   *token.Service
	caution  caution
}

func (m *merges) pages() []page {
	const own, others = devicesPath + "/{id}/merge", "/admin/accounts/{id}/devices"
	return []page{
		{"GET", own, signedIn, about(ownDevice, m.choose)},
		{"POST", own, signedIn, m.caution.before(risk{about(ownDevice, m.ask), about(ownDevice, m.merge)})},
		{"GET", others, admin, about(devicesInPath, m.list)},
		{"GET", others + "/{device}/merge", admin, about(devicesInPath, m.choose)},
		{"POST", others + "/{device}/merge", admin, m.caution.before(risk{about(devicesInPath, m.ask), about(devicesInPath, m.merge)})},
	}
}

// owned is whose devices they are, and where their pages are.
type owned struct {
	accountID int64
	deviceID  int64  // the one that disappears; 0: the page is about all of them
	list      string // the path of the list
}

// ownDevice is the visitor's own device in the path.
func ownDevice(v *visit) (owned, error) {
	id, err := v.pathID()
	return owned{accountID: v.account.ID, deviceID: id, list: devicesPath}, err
}

// devicesInPath are the devices of the account in the path, or the one in the path.
func devicesInPath(v *visit) (owned, error) {
	id, err := v.pathID()
	if err != nil {
		return owned{}, err
	}
	o := owned{accountID: id, list: accountPath(id) + "/devices"}
	if text := v.PathValue("device"); text != "" {
		if o.deviceID = number(text); o.deviceID == 0 {
			err = errNoPage
		}
	}
	return o, err
}

// about finds out which devices a page is about before it does something with them.
func about[T any](
	find func(*visit) (owned, error), do func(context.Context, *visit, owned) (T, error),
) func(context.Context, *visit) (T, error) {
	return func(ctx context.Context, v *visit) (none T, err error) {
		of, err := find(v)
		if err != nil {
			return none, err
		}
		return do(ctx, v, of)
	}
}

// heldDevices are devices of one account, as a page lists them.
type heldDevices struct {
	Search  string
	Devices []device.Device
	Besides neighbours
}

func (m *merges) search(ctx context.Context, v *visit, of owned) (h heldDevices, err error) {
	h.Search = strings.TrimSpace(v.URL.Query().Get("search"))
	list, err := m.devices.Search(ctx, of.accountID, device.Query{Text: h.Search, Order: device.BySeen}, wantedPage(v, "", tallRows))
	h.Devices, h.Besides = list.Rows, besides(v, v.URL.Path, "", "devices", list)
	return h, err
}

// accountDevicesData is the devices of one account, for admins.
type accountDevicesData struct {
	notice
	heldDevices
	Account account.Account
	Path    string
	Total   int
}

func (m *merges) list(ctx context.Context, v *visit, of owned) (view, error) {
	data := accountDevicesData{notice: newNotice(v, sent{}), Path: of.list}
	var err error
	if data.Account, err = m.accounts.Get(ctx, of.accountID); err != nil {
		return view{}, err
	}
	if data.Total, err = m.devices.Count(ctx, of.accountID); err != nil {
		return view{}, err
	}
	data.heldDevices, err = m.search(ctx, v, of)
	return data.page("admin-devices", data), err
}

// mergeData is the page on which the other one of two devices is chosen.
type mergeData struct {
	notice
	heldDevices
	Device     device.Device
	Path, Back string
}

func (m *merges) choose(ctx context.Context, v *visit, of owned) (view, error) {
	data := mergeData{notice: newNotice(v, sent{}), Path: v.URL.Path, Back: of.list}
	var err error
	if data.Device, _, err = m.devices.Held(ctx, of.accountID, of.deviceID); err != nil {
		return view{}, err
	}
	data.heldDevices, err = m.search(ctx, v, of)
	return view{name: "merge", data: data}, err
}

// into is the number of the device that was chosen.
func into(v *visit) int64 { return number(v.PostFormValue("into")) }

// ask asks for the password or a passkey, also for the visitor's own devices. Attack:
// somebody at an open browser signs in a device of their own, and merges it into one of
// the owner's: it stays signed in, and no list shows it.
func (m *merges) ask(ctx context.Context, v *visit, of owned) (question, error) {
	merging, err := m.tokens.Merging(ctx, of.accountID, of.deviceID, into(v))
	if err != nil {
		return question{}, err
	}
	name := func(d device.Device) phrase { return claimed(cmp.Or(d.Name, d.Device, d.Product)) }
	q := question{
		Title: say("Merge %s into %s?", name(merging.From), name(merging.Into)),
		Ends: []phrase{
			say("1 device disappears from the list. It stays signed in as part of the other one, with %s.", countOf(merging.Moved, "token", "tokens")),
			say("Signing out the one that stays signs out both."),
		},
		Button: say("Merge them"), Back: of.list, Others: true,
	}
	if merging.Ended > 0 {
		q.Ends = append(q.Ends, say("%s of the two, the least recently used, will be revoked: a device holds ten.", countOf(merging.Ended, "token", "tokens")))
	}
	return q, nil
}

func (m *merges) merge(ctx context.Context, v *visit, of owned) (view, error) {
	_, err := m.tokens.MergeDevices(ctx, v.actor(), of.accountID, of.deviceID, into(v))
	return view{to: of.list + "?" + url.Values{"done": {"merged"}}.Encode()}, err
}
