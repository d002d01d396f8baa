package plexauth_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

// Every way in which a program may print a value by mistake.
func TestSecretNeverPrints(t *testing.T) {
	const text = "correct horse battery staple"
	type holder struct {
		Token plexauth.Secret `json:"token" xml:"token,attr"`
	}
	held := holder{Token: text}

	var logged bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&logged, nil))
	logger.Info("a", "secret", held.Token, "held", held)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("a", "secret", held.Token, "held", held)
	inJSON, err := json.Marshal(held)
	if err != nil {
		t.Fatal(err)
	}
	inXML, err := xml.Marshal(held)
	if err != nil {
		t.Fatal(err)
	}

	for name, got := range map[string]string{
		"%v":     fmt.Sprintf("%v", held),
		"%+v":    fmt.Sprintf("%+v", held),
		"%#v":    fmt.Sprintf("%#v", held),
		"%s":     fmt.Sprintf("%s", held.Token),
		"%q":     fmt.Sprintf("%q", held.Token),
		"%x":     fmt.Sprintf("%x", held.Token),
		"%d":     fmt.Sprintf("%d", held.Token),
		"error":  errors.Join(fmt.Errorf("signing in with %v", held.Token)).Error(),
		"slog":   logged.String(),
		"json":   string(inJSON),
		"xml":    string(inXML),
		"concat": held.Token.String(),
	} {
		if strings.Contains(got, "horse") || strings.Contains(got, fmt.Sprintf("%x", "horse")) {
			t.Errorf("%s reveals the secret: %s", name, got)
		}
		if !strings.Contains(got, "…") {
			t.Errorf("%s = %q, want it to show that something was left out", name, got)
		}
	}
}

// Every way in which a program may print a source of tokens by mistake. Package fmt does not
// call the methods of what is in an unexported field.
func TestTokenSourcesNeverPrint(t *testing.T) {
	now := time.Now().Unix()
	token := plexauth.Secret(unsigned(fmt.Sprintf(`{"iat":%d,"exp":%d}`, now, now+3600)))
	static := plexauth.StaticToken(token)
	var memory plexauth.MemoryToken
	memory.Set(token)
	var jwt plexauth.JWTSource
	jwt.Set(token)
	if got, err := jwt.Token(t.Context()); err != nil || got != token {
		t.Fatalf("the source has %q, %v", string(got), err)
	}
	var logged bytes.Buffer
	for name, value := range map[string]any{
		"StaticToken": static, "a client": &plexauth.Client{Token: static}, "MemoryToken": &memory, "JWTSource": &jwt,
		"a struct": &struct {
			memory *plexauth.MemoryToken
			jwt    *plexauth.JWTSource
		}{&memory, &jwt},
	} {
		logged.Reset()
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("a", "value", value)
		slog.New(slog.NewTextHandler(&logged, nil)).Info("a", "value", value)
		inJSON, err := json.Marshal(value)
		if err != nil && name != "JWTSource" { // it has a function
			t.Errorf("%s in JSON: %v", name, err)
		}
		for _, got := range []string{
			fmt.Sprintf("%v", value), fmt.Sprintf("%+v", value), fmt.Sprintf("%#v", value), string(inJSON), logged.String(),
		} {
			if strings.Contains(got, string(token)) {
				t.Errorf("%s reveals the token: %s", name, got)
			}
		}
	}
}

func TestSecretEqual(t *testing.T) {
	if !plexauth.Secret("a").Equal("a") || plexauth.Secret("a").Equal("b") || plexauth.Secret("a").Equal("") {
		t.Error("Equal disagrees with ==")
	}
	if got := fmt.Sprint(plexauth.Secret("")); got != "" {
		t.Errorf("the empty Secret prints %q, want nothing", got)
	}
}
