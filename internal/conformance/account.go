package conformance

import (
	"context"
	"net/http"

	"github.com/usher-auth/usher/plexauth"
)

// secret makes a text that an answer has in XML a token.
func secret(text string) plexauth.Secret { return plexauth.Secret(text) }

// accountChecks are about the details of a token: whose it is.
func accountChecks() []Check {
	return []Check{
		{"account/fields", "Token details have every key that typed clients demand, of its kind.", false, "the generated SDKs, plex-api.rs", Seen, accountFields},
		{"account/own-token", "The authToken of token details is the token of the request.", false, "PlexAPI, which goes on with it", Read, accountOwnToken},
		{"account/no-token", "Token details without a token are 401 with code 1001.", false, "Plex's document", Documented, accountNoToken},
		{"account/bad-token", "Token details with an unknown token are 401 with code 1001.", false, "Plex's document", Documented, accountBadToken},
		{"account/version-1", "/users/account.json has the account in user, with an email that is a text.", false, "Seerr", Read, accountVersion1},
		{"account/version-1-bad-token", "/users/account with an unknown token is 401 or 422.", false, "plex-oauth, Tautulli", Read, accountVersion1BadToken},
		{"account/ping", "/api/v2/ping without a token is 200 with pong.", false, "Seerr, PlexAPI", Read, ping},
		{"account/ping-bad-token", "/api/v2/ping with an unknown token is 401: any other status counts as a good token.", false, "Tautulli", Read, pingBadToken},
		{"resources/fields", "Resources are a list of servers with the keys that typed clients demand.", false, "the generated SDKs, PlexAPI", Seen, resourceFields},
		{"resources/needs-token", "Resources without a token, or with an unknown one, are 401.", false, "the generated SDKs", Documented, resourcesNeedToken},
		{"resources/version-1", "/api/resources is XML with Device and Connection, even if JSON is asked for.", false, "Seerr, Tautulli", Read, resourcesVersion1},
	}
}

// nobody returns a device with an unknown token.
func (p *probe) nobody() *device {
	return &device{"usher-conformance-" + p.run + "-nobody", "noTokenOfAnybody0000"}
}

func accountFields(ctx context.Context, p *probe) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	a, err := p.want(ctx, d.ask("GET", "/api/v2/user"), http.StatusOK)
	if err != nil {
		return err
	}
	v, err := a.value()
	if err != nil {
		return err
	}
	err = a.hasFields(v,
		"number id joinedAt homeSize maxHomeSize",
		"text uuid username title email friendlyName authToken thumb country scrobbleTypes mailingListStatus",
		"boolean confirmed emailOnlyAuth hasPassword protected restricted home homeAdmin guest experimentalFeatures twoFactorEnabled backupCodesCreated mailingListActive",
		"list entitlements roles subscriptions pastSubscriptions trials services",
		"object profile subscription",
		"any locale anonymous subscriptionDescription adsConsent adsConsentSetAt adsConsentReminderAt attributionPartner rememberExpiresAt")
	if err != nil {
		return err
	}
	if err := a.hasFields(at(v, "subscription"), "boolean active", "text status", "list features", "any subscribedAt paymentService plan"); err != nil {
		return err
	}
	return a.hasFields(at(v, "profile"), "boolean autoSelectAudio",
		"number autoSelectSubtitle defaultSubtitleAccessibility defaultSubtitleForced", "any defaultAudioLanguage defaultSubtitleLanguage")
}

func accountOwnToken(ctx context.Context, p *probe) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	a, err := p.want(ctx, d.ask("GET", "/api/v2/user"), http.StatusOK)
	if err != nil {
		return err
	}
	got, err := p.tokenAt(a, "authToken")
	if err == nil && got != d.token {
		err = a.errorf("authToken is another token")
	}
	return err
}

func accountNoToken(ctx context.Context, p *probe) error {
	return p.refused(ctx, request{path: "/api/v2/user", client: p.newClient()}, 1001, http.StatusUnauthorized)
}

func accountBadToken(ctx context.Context, p *probe) error {
	return p.refused(ctx, p.nobody().ask("GET", "/api/v2/user"), 1001, http.StatusUnauthorized)
}

func accountVersion1(ctx context.Context, p *probe) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	a, err := p.want(ctx, d.ask("GET", "/users/account.json"), http.StatusOK)
	if err != nil {
		return err
	}
	v, err := a.value()
	if err != nil {
		return err
	}
	return a.hasFields(at(v, "user"), "number id", "text uuid email username title thumb authToken")
}

func accountVersion1BadToken(ctx context.Context, p *probe) error {
	return p.refused(ctx, p.nobody().ask("GET", "/users/account"), 0, http.StatusUnauthorized, http.StatusUnprocessableEntity)
}

func ping(ctx context.Context, p *probe) error {
	a, err := p.want(ctx, request{path: "/api/v2/ping", client: p.newClient()}, http.StatusOK)
	if err != nil {
		return err
	}
	return a.hasPong()
}

// hasPong returns an error unless a ping is answered in JSON.
func (a *answer) hasPong() error {
	v, err := a.value()
	if err != nil {
		return err
	}
	return a.hasFields(v, "boolean pong")
}

func pingBadToken(ctx context.Context, p *probe) error {
	return p.refused(ctx, p.nobody().ask("GET", "/api/v2/ping"), 0, http.StatusUnauthorized)
}

func resourceFields(ctx context.Context, p *probe) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	a, err := p.want(ctx, d.ask("GET", "/api/v2/resources?includeHttps=1&includeRelay=1&includeIPv6=1"), http.StatusOK)
	if err != nil {
		return err
	}
	list, err := a.list()
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return skipf("the account has no server")
	}
	for _, server := range list {
		err := a.hasFields(server,
			"text name product productVersion platform platformVersion device clientIdentifier createdAt lastSeenAt provides publicAddress accessToken",
			"boolean owned home synced relay presence httpsRequired publicAddressMatches dnsRebindingProtection natLoopbackSupported",
			"list connections", "any ownerId sourceTitle")
		if err != nil {
			return err
		}
		connections, _ := at(server, "connections").([]any)
		for _, c := range connections {
			if err := a.hasFields(c, "text protocol address uri", "number port", "boolean local relay IPv6"); err != nil {
				return err
			}
		}
	}
	return nil
}

func resourcesNeedToken(ctx context.Context, p *probe) error {
	return p.needsToken(ctx, request{path: "/api/v2/resources"}, http.StatusUnauthorized)
}

// needsToken returns an error unless a request is rejected without a token, and with an
// unknown one.
func (p *probe) needsToken(ctx context.Context, r request, status ...int) error {
	d := p.nobody()
	r.client, r.token = d.client, d.token
	if err := p.refused(ctx, r, 0, status...); err != nil {
		return err
	}
	r.client, r.token = p.newClient(), ""
	return p.refused(ctx, r, 0, status...)
}

func resourcesVersion1(ctx context.Context, p *probe) error {
	d, err := p.account(ctx)
	if err != nil {
		return err
	}
	a, err := p.want(ctx, d.ask("GET", "/api/resources?includeHttps=1"), http.StatusOK)
	if err != nil {
		return err
	}
	if err := a.isXML(); err != nil {
		return err
	}
	root, err := a.element()
	if err != nil {
		return err
	}
	devices := root.all("Device")
	if len(devices) == 0 {
		return skipf("the account has no server")
	}
	for _, d := range devices {
		for _, name := range []string{"name", "clientIdentifier", "provides", "accessToken", "owned", "presence"} {
			if _, ok := d.attrs[name]; !ok {
				return a.errorf("a Device lacks the attribute %s", name)
			}
		}
	}
	return nil
}
