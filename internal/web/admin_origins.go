package web

import (
	"context"
	"strings"

	"github.com/usher-auth/usher/internal/origin"
)

// adminOrigins lists and changes the origins to which browsers are sent back
// without asking.
type adminOrigins struct {
	origins *origin.Service
}

const originsPath = "/admin/origins"

func (a *adminOrigins) pages() []page {
	return []page{
		{"GET", originsPath, admin, section(a.show).asHandler},
		{"POST", originsPath, admin, a.allow},
		{"POST", originsPath + "/remove", admin, a.remove},
	}
}

type originsData struct {
	notice
	Origins []origin.Origin
	Besides neighbours
}

func (a *adminOrigins) show(ctx context.Context, v *visit, s sent) (view, error) {
	data := originsData{notice: newNotice(v, s)}
	list, err := a.origins.List(ctx, wantedPage(v, "", tallRows))
	data.Origins, data.Besides = list.Rows, besides(v, originsPath, "", "origins", list)
	return data.page("admin-origins", data), err
}

func (a *adminOrigins) allow(ctx context.Context, v *visit) (view, error) {
	_, err := a.origins.Allow(ctx, v.actor(), strings.TrimSpace(v.PostFormValue("origin")))
	return adminChanged(ctx, v, originsPath, "added", a.show, err)
}

func (a *adminOrigins) remove(ctx context.Context, v *visit) (view, error) {
	_, err := a.origins.Remove(ctx, v.actor(), v.PostFormValue("origin"))
	return adminChanged(ctx, v, originsPath, "removed", a.show, err)
}
