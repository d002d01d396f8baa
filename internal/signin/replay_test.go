package signin_test

import (
	"testing"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/coretest"
	"github.com/usher-auth/usher/internal/signin"
)

// Attack: someone has seen a verification code that was used, and tries it after its
// owner has signed in by another method.
func TestUsedCodeStaysUsed(t *testing.T) {
	for name, prove := range map[string]func(*fixture) signin.Proof{
		"a backup code": func(w *fixture) signin.Proof { return w.password(w.backup[0]) },
		"a passkey":     func(w *fixture) signin.Proof { return w.passkey("a") },
	} {
		t.Run(name, func(t *testing.T) {
			w := withFactors(t)
			code := w.totp()
			w.must(w.toToken(w.password(code)))
			w.must(w.toToken(prove(w)))
			v, err := w.Accounts.VerifyPassword(t.Context(), by, account.Credentials{
				Login: "mia", Password: coretest.Password, Code: code,
			})
			if err == nil {
				err = w.toToken(v.Proof)
			}
			w.wants("attack: the used code once more", err, account.ErrCode)
			if n := w.signedIn(); n != 2 {
				t.Errorf("there are %d tokens and sessions, want 2", n)
			}
		})
	}
}
