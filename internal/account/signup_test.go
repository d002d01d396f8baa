package account_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/fault"
)

var newcomer = account.NewAccount{Username: "nora", Email: "nora@example.org", Password: coretest.Password}

// Attack: sign up at a server that was just started, whose first account is the owner's, or
// request an admin's account.
func TestSignUpIsNotForAdmins(t *testing.T) {
	c := coretest.New(t, core.Config{SignUp: true})
	if _, err := c.Accounts.SignUp(t.Context(), audit.Actor{}, newcomer); !errors.Is(err, account.ErrSignUpClosed) {
		t.Errorf("the first account: error %v, want ErrSignUpClosed", err)
	}
	c.AddAdmin("ada")
	greedy := newcomer
	greedy.Admin = true
	v, err := c.Accounts.SignUp(t.Context(), audit.Actor{}, greedy)
	if err != nil || v.Account.Admin || v.Account.EmailConfirmed() {
		t.Errorf("%+v, %v", v.Account, err)
	}
}

// Attack: sign up repeatedly from one network. Invalid forms, which cost nothing and reveal
// nothing, do not count. Other networks are not affected.
func TestSignUpLimit(t *testing.T) {
	c := coretest.New(t, core.Config{SignUp: true, FailedTries: 2})
	c.AddAdmin("ada")
	from := func(address string, n int) error {
		who := newcomer
		who.Username, who.Email = fmt.Sprint("nora", n), ""
		_, err := c.Accounts.SignUp(t.Context(), audit.Actor{Address: address}, who)
		return err
	}
	for range 5 {
		weak := newcomer
		weak.Password = "password1"
		if _, err := c.Accounts.SignUp(t.Context(), audit.Actor{Address: "192.0.2.1"}, weak); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a weak password: %v", err)
		}
	}
	for i := range 2 {
		if err := from("2001:db8::1", i); err != nil {
			t.Error(err)
		}
	}
	if err := from("2001:db8::2", 2); !errors.Is(err, account.ErrSignUps) || fault.WaitOf(err) <= 0 {
		t.Errorf("the third of a network: %v", err)
	}
	if err := from("192.0.2.1", 3); err != nil {
		t.Errorf("another network: %v", err)
	}
	c.Clock.Advance(6 * 60e9)
	if err := from("2001:db8::3", 4); err != nil {
		t.Errorf("later: %v", err)
	}
}
