package sdks_test

import (
	"encoding/json"
	"strings"
	"time"
)

// A generation is how a release of the generator forms requests. Its SDKs for all languages
// do it in the same way.
type generation struct {
	// tokenMethod is the method of /security/token.
	tokenMethod string
	// identifierInQuery: the client identifier is a query parameter. Otherwise it is a
	// header of the operations that need one.
	identifierInQuery bool
	// identifiesAlways: the header is sent with every request.
	identifiesAlways bool
	// accounts and pins say which operations exist.
	accounts, pins bool
	// refresh is the parameter of /security/resources that newer SDKs add.
	refresh bool
}

var (
	queryGeneration    = generation{tokenMethod: "GET", identifierInQuery: true, accounts: true, pins: true}
	headerGeneration   = generation{tokenMethod: "GET", accounts: true, pins: true}
	globalsGeneration  = generation{tokenMethod: "POST", identifiesAlways: true, refresh: true}
	accountsGeneration = generation{tokenMethod: "POST", identifiesAlways: true, refresh: true, accounts: true}
)

// A release is one release of an SDK.
type release struct {
	language, version string
	generation
	// noAccept: it sends no Accept header, and reads only JSON.
	noAccept bool
	// accepts is an additional header, which the server must ignore.
	accepts string
	// nulls: it accepts null if its types allow it. Otherwise, null is an error in any
	// field of its types.
	nulls bool
	// pinStatus is the status that it accepts for a new PIN.
	pinStatus int

	account, profile, device, pin shape
}

// userAgent is the release's User-Agent header.
func (r release) userAgent() string {
	return "speakeasy-sdk/" + r.language + " " + r.version + " 2.415.8 0.0.3 plexapi"
}

// releases has the first and the last release of each generation in each language, and
// those that changed a shape.
var releases = []release{
	goSDK("0.11.1", queryGeneration, textProfile, numericPIN, 200),
	goSDK("0.11.12", queryGeneration, textProfile, numericPIN, 200),
	goSDK("0.11.13", queryGeneration, textProfile, commonPIN, 201),
	goSDK("0.11.14", queryGeneration, textProfile, commonPIN, 201),
	goSDK("0.11.15", queryGeneration, numberProfile, commonPIN, 201),
	goSDK("0.12.0", queryGeneration, numberProfile, commonPIN, 201),
	goSDK("0.13.0", queryGeneration, numberProfile, commonPIN, 201),
	goSDK("0.14.0", queryGeneration, numberProfile, commonPIN, 201),
	goSDK("0.15.0", headerGeneration, numberProfile, commonPIN, 201),
	goSDK("0.16.0", headerGeneration, numberProfile, commonPIN, 201),
	goSDK("0.17.0", headerGeneration, numberProfile, commonPIN, 201),
	goSDK("0.18.0", headerGeneration, numberProfile, commonPIN, 201),
	goSDK("0.19.0", headerGeneration, numberProfile, commonPIN, 201),
	goSDK("0.20.0", headerGeneration, numberProfile, commonPIN, 201),
	goSDK("0.21.0", headerGeneration, numberProfile, commonPIN, 201),
	goSDK("0.22.0", headerGeneration, numberProfile, commonPIN, 201),
	goSDK("0.23.0", headerGeneration, numberProfile, commonPIN, 201),
	goSDK("0.24.0", headerGeneration, numberProfile, commonPIN, 201),
	goSDK("0.25.0", headerGeneration, numberProfile, commonPIN, 201),
	goSDK("0.26.0", globalsGeneration, nil, nil, 0),
	goSDK("0.27.0", globalsGeneration, nil, nil, 0),
	goSDK("0.28.0", accountsGeneration, numberProfile, nil, 0),

	{
		language: "java", version: "0.14.0", generation: headerGeneration, nulls: true, pinStatus: 201,
		account: commonAccount, profile: numberProfile, device: nullableDevice, pin: commonPIN,
	},
	{
		language: "java", version: "0.22.3", generation: accountsGeneration, nulls: true,
		account: javaAccount, profile: numberProfile, device: nullableDevice,
	},

	{
		language: "php", version: "0.8.0", generation: queryGeneration, nulls: true, pinStatus: 201,
		account: phpAccount, profile: textProfile, device: nullableDevice, pin: commonPIN,
	},
	{
		language: "php", version: "0.14.13", generation: headerGeneration, nulls: true, pinStatus: 201,
		account: phpAccount, profile: numberProfile, device: nullableDevice, pin: commonPIN,
	},

	{
		language: "ruby", version: "0.3.0", generation: queryGeneration, pinStatus: 201,
		account: commonAccount, profile: textProfile, device: rubyDevice, pin: rubyPIN,
	},
	{
		language: "ruby", version: "0.17.0", generation: headerGeneration, pinStatus: 201,
		account: commonAccount, profile: numberProfile, device: rubyDevice, pin: rubyPIN,
	},

	{
		language: "csharp", version: "0.4.0", generation: queryGeneration, noAccept: true, nulls: true, pinStatus: 201,
		account: commonAccount, profile: textProfile, device: nullableDevice, pin: commonPIN,
	},
	{
		language: "csharp", version: "0.17.0", generation: headerGeneration, noAccept: true, nulls: true, pinStatus: 201,
		account: commonAccount, profile: numberProfile, device: nullableDevice, pin: commonPIN,
	},
	{
		language: "csharp", version: "0.20.0", generation: accountsGeneration, noAccept: true, nulls: true,
		accepts: "application/xml", account: javaAccount, profile: numberProfile, device: nullableDevice,
	},
	{
		language: "typescript", version: "0.44.3", generation: accountsGeneration, nulls: true,
		accepts: "application/xml", account: javaAccount, profile: numberProfile, device: nullableDevice,
	},
}

// goSDK returns a release of plexgo.
func goSDK(version string, g generation, profile, pin shape, pinStatus int) release {
	return release{
		language: "go", version: version, generation: g, nulls: true, pinStatus: pinStatus,
		account: commonAccount, profile: profile, device: nullableDevice, pin: pin,
	}
}

// The shapes of accounts. The newest releases require few fields, and PHP requires one more
// list than the others.
var (
	commonAccount = shape{
		"authToken country email friendlyName scrobbleTypes thumb title username uuid": text,

		"id homeSize maxHomeSize joinedAt rememberExpiresAt": number,

		"mailingListStatus":   oneOf("active", "unsubscribed", "removed"),
		"subscription.status": oneOf("Inactive", "Active"),
		"subscription.active": truth,
		"profile":             object,

		"entitlements services pastSubscriptions trials subscription.features": list,

		"adsConsent? anonymous? backupCodesCreated? confirmed? emailOnlyAuth? experimentalFeatures? guest? hasPassword?": truth,

		"home? homeAdmin? mailingListActive? protected? restricted? twoFactorEnabled?": truth,

		"adsConsentReminderAt? adsConsentSetAt?":                                               number,
		"locale? pin? subscriptionDescription? attributionPartner? subscription.subscribedAt?": text,
		"subscription.paymentService? subscription.plan?":                                      text,
		"roles? subscriptions?":                                                                list,
	}
	javaAccount = shape{
		"authToken email friendlyName title username uuid": text,
		"id joinedAt": number,
		"country? scrobbleTypes? thumb? locale? subscriptionDescription? attributionPartner?": text,

		"homeSize? maxHomeSize? rememberExpiresAt? adsConsentReminderAt? adsConsentSetAt?": number,

		"adsConsent? anonymous? backupCodesCreated? confirmed? emailOnlyAuth? home? homeAdmin? twoFactorEnabled?": truth,

		"mailingListStatus?":                            oneOf("active", "unsubscribed", "removed"),
		"entitlements? roles? services? subscriptions?": list,
		"profile? subscription?":                        object,
	}
	phpAccount = with(commonAccount, shape{"subscriptions": list})
)

// The small integers of the profile, which old releases declare as texts.
var (
	numberProfile = profileOf(oneOf[json.Number]("0", "1"))
	textProfile   = with(profileOf(oneOf("0", "1")), shape{"profile.mediaReviewsVisibility?": oneOf[json.Number]("0", "1")})
)

func profileOf(enumeration kind) shape {
	return shape{
		"profile.autoSelectAudio": truth,
		"profile.defaultAudioLanguage? profile.defaultSubtitleLanguage?":                                                         text,
		"profile.autoSelectSubtitle profile.defaultSubtitleAccessibility profile.defaultSubtitleForced profile.watchedIndicator": enumeration,
	}
}

// Times, as most releases read them, and as Ruby does, which requires a fraction.
var (
	anyTime      = written(time.RFC3339)
	fractionTime = written("2006-01-02T15:04:05.000Z")
)

// The shapes of servers in a list.
var (
	nullableDevice = deviceOf("?", anyTime)
	rubyDevice     = deviceOf("", fractionTime)
)

// deviceOf returns the shape of a list of servers. nullable is "?" if the type allows some
// fields to be null.
func deviceOf(nullable string, when kind) shape {
	return shape{
		"*.name *.product *.productVersion *.clientIdentifier *.provides *.publicAddress *.accessToken": text,

		"*.createdAt *.lastSeenAt": when,
		"*.platform" + nullable + " *.platformVersion" + nullable + " *.device" + nullable + " *.sourceTitle" + nullable: text,
		"*.ownerId" + nullable: number,
		"*.owned *.home *.synced *.relay *.presence *.httpsRequired *.publicAddressMatches": truth,
		"*.dnsRebindingProtection *.natLoopbackSupported":                                   truth,
		"*.connections.*.protocol":                                                          oneOf("http", "https"),
		"*.connections.*.address *.connections.*.uri":                                       text,
		"*.connections.*.port":                                                              number,
		"*.connections.*.local *.connections.*.relay *.connections.*.IPv6":                  truth,
	}
}

// The shapes of PINs.
var (
	commonPIN  = pinOf(anyTime)
	numericPIN = with(pinOf(anyTime), shape{"location.postal_code": number})
	rubyPIN    = pinOf(fractionTime)
)

func pinOf(when kind) shape {
	return shape{
		"id":                               number,
		"code product qr clientIdentifier": text,
		"createdAt expiresAt":              when,
		"expiresIn":                        number,
		"trusted":                          truth,
		"authToken?":                       text,
		"newRegistration?":                 truth,
		"location.code location.continent_code location.country location.city location.time_zone": text,
		"location.subdivisions location.coordinates location.postal_code":                         text,
		"location.european_union_member location.in_privacy_restricted_country":                   truth,
	}
}

// with returns a shape with some paths changed or added.
func with(s, changed shape) shape {
	all := make(shape)
	for _, part := range []shape{s, changed} {
		for paths, accepts := range part {
			for path := range strings.FieldsSeq(paths) {
				name := strings.TrimSuffix(path, "?")
				delete(all, name)
				delete(all, name+"?")
				all[path] = accepts
			}
		}
	}
	return all
}
