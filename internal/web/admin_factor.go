package web

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/account"
)

// adminFactor is the page on which admins require a second factor of each other.
type adminFactor struct {
	accounts *account.Service
	caution  caution
}

const adminFactorPath = "/admin/accounts/admin-factor"

func (a *adminFactor) pages() []page {
	return []page{
		{"GET", adminFactorPath, admin, section(a.show).asHandler},
		{"POST", adminFactorPath, admin, a.caution.before(risk{a.askFactor, a.setFactor})},
	}
}

type adminFactorData struct {
	notice
	account.AdminRule
	Days int // that an admin has to set one up
}

func (a *adminFactor) show(ctx context.Context, v *visit, s sent) (view, error) {
	rule, err := a.accounts.AdminRule(ctx)
	data := adminFactorData{newNotice(v, s), rule, int(rule.Grace / (24 * time.Hour))}
	return data.page("admin-factor", data), err
}

func (a *adminFactor) askFactor(_ context.Context, v *visit) (question, error) {
	q := question{
		Title: say("Let admins do without a second factor?"), Button: say("Let admins do without"), Back: adminFactorPath, Others: true,
		Later: say("Admins without one then sign in with the password alone. It can be required again."),
	}
	if v.PostFormValue("required") != "" {
		q.Title, q.Button = say("Require a second factor of admins?"), say("Require a second factor")
		q.Later = say("Admins without one have 7 days to set it up. After that, they sign in only to do so. It can be changed back.")
	}
	return q, nil
}

// setFactor says whether admins need a second factor.
func (a *adminFactor) setFactor(ctx context.Context, v *visit) (view, error) {
	err := a.accounts.SetAdminRule(ctx, v.actor(), v.PostFormValue("required") != "", account.DefaultGrace)
	return adminChanged(ctx, v, adminFactorPath, "factor-rule", a.show, err)
}
