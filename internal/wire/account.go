package wire

import (
	"bytes"
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

// rememberFor is how far in the future rememberExpiresAt is. usher's tokens are valid
// until they are revoked, so the field only says "not soon". The real services send
// about two weeks (third-party sample).
const rememberFor = 14 * 24 * time.Hour

// unknownCountry is the code of an unknown region (CLDR): typed clients require two
// letters, and usher does not know the country.
const unknownCountry = "ZZ"

// Account is the account object without the fields that differ between responses
// (authToken, thumb and rememberExpiresAt). Every key is always sent: generated SDKs
// and strict decoders fail on an absent one. Fields that usher does not use have
// values that harm no client.
type Account struct {
	XMLName                 xml.Name         `json:"-" xml:"user"`                                               // names the element; JSON has no root
	ID                      int64            `json:"id" xml:"id,attr"`                                           // the number of the account
	UUID                    string           `json:"uuid" xml:"uuid,attr"`                                       // lower-case hexadecimal, as the real services have it
	Username                string           `json:"username" xml:"username,attr"`                               // the unique name
	Title                   string           `json:"title" xml:"title,attr"`                                     // the name that clients show
	Email                   string           `json:"email" xml:"email,attr"`                                     // can be empty
	FriendlyName            string           `json:"friendlyName" xml:"friendlyName,attr"`                       // a second name to show; may be empty
	Locale                  Optional[string] `json:"locale" xml:"locale,attr"`                                   // never known
	Confirmed               Bool             `json:"confirmed" xml:"confirmed,attr"`                             // the e-mail address is the account's
	JoinedAt                int64            `json:"joinedAt" xml:"joinedAt,attr"`                               // epoch seconds
	EmailOnlyAuth           Bool             `json:"emailOnlyAuth" xml:"emailOnlyAuth,attr"`                     // signs in by e-mail alone; never
	HasPassword             Bool             `json:"hasPassword" xml:"hasPassword,attr"`                         // false if it signs in with passkeys only
	Protected               Bool             `json:"protected" xml:"protected,attr"`                             // has a PIN in its home
	MailingListStatus       string           `json:"mailingListStatus" xml:"mailingListStatus,attr"`             // always unsubscribed
	MailingListActive       Bool             `json:"mailingListActive" xml:"mailingListActive,attr"`             // never
	ScrobbleTypes           string           `json:"scrobbleTypes" xml:"scrobbleTypes,attr"`                     // always empty
	Country                 string           `json:"country" xml:"country,attr"`                                 // two letters; see unknownCountry
	Subscription            subscription     `json:"subscription" xml:"subscription"`                            // always inactive
	SubscriptionDescription Optional[string] `json:"subscriptionDescription" xml:"subscriptionDescription,attr"` // null without a subscription
	Restricted              Bool             `json:"restricted" xml:"restricted,attr"`                           // a managed account of a home
	Anonymous               Optional[Bool]   `json:"anonymous" xml:"anonymous,attr"`                             // null on an account that can sign in
	Home                    Bool             `json:"home" xml:"home,attr"`                                       // in a home
	Guest                   Bool             `json:"guest" xml:"guest,attr"`                                     // the guest of a home
	HomeSize                int              `json:"homeSize" xml:"homeSize,attr"`                               // users of the home: 1 without one
	HomeAdmin               Bool             `json:"homeAdmin" xml:"homeAdmin,attr"`                             // owner or admin of the home
	MaxHomeSize             int              `json:"maxHomeSize" xml:"maxHomeSize,attr"`                         // as the real services send
	Profile                 profile          `json:"profile" xml:"profile"`                                      // the playback profile
	Entitlements            emptyList        `json:"entitlements" xml:"entitlements"`                            // always empty
	Roles                   emptyList        `json:"roles" xml:"roles"`                                          // always empty
	Subscriptions           emptyList        `json:"subscriptions" xml:"subscriptions"`                          // always empty
	PastSubscriptions       emptyList        `json:"pastSubscriptions" xml:"pastSubscriptions"`                  // always empty
	Trials                  emptyList        `json:"trials" xml:"trials"`                                        // always empty
	Services                emptyList        `json:"services" xml:"services"`                                    // always empty: usher lists none
	AdsConsent              Optional[Bool]   `json:"adsConsent" xml:"adsConsent,attr"`                           // null: never asked
	AdsConsentSetAt         Optional[int64]  `json:"adsConsentSetAt" xml:"adsConsentSetAt,attr"`                 // null: never asked
	AdsConsentReminderAt    Optional[int64]  `json:"adsConsentReminderAt" xml:"adsConsentReminderAt,attr"`       // null: never asked
	ExperimentalFeatures    Bool             `json:"experimentalFeatures" xml:"experimentalFeatures,attr"`       // never
	TwoFactorEnabled        Bool             `json:"twoFactorEnabled" xml:"twoFactorEnabled,attr"`               // a code is needed to sign in
	BackupCodesCreated      Bool             `json:"backupCodesCreated" xml:"backupCodesCreated,attr"`           // unused backup codes exist
	AttributionPartner      Optional[string] `json:"attributionPartner" xml:"attributionPartner,attr"`           // always null
}

// subscription is always that of an account without a subscription.
type subscription struct {
	Active         Bool             `json:"active" xml:"active,attr"`                 // never
	SubscribedAt   Optional[string] `json:"subscribedAt" xml:"subscribedAt,attr"`     // always null
	Status         string           `json:"status" xml:"status,attr"`                 // always Inactive
	PaymentService Optional[string] `json:"paymentService" xml:"paymentService,attr"` // always null
	Plan           Optional[string] `json:"plan" xml:"plan,attr"`                     // always null
	Features       emptyList        `json:"features" xml:"features"`                  // always empty
}

// profile is the playback profile, which older SDKs read as 0 or 1 only. The
// three lists of languages are null because typed SDKs fail on the comma
// separated string that the real services were seen to send.
type profile struct {
	AutoSelectAudio              Bool             `json:"autoSelectAudio" xml:"autoSelectAudio,attr"`                           // choose the audio by language
	DefaultAudioAccessibility    Enum             `json:"defaultAudioAccessibility" xml:"defaultAudioAccessibility,attr"`       // 0: no preference
	DefaultAudioLanguage         Optional[string] `json:"defaultAudioLanguage" xml:"defaultAudioLanguage,attr"`                 // null: no preference
	DefaultAudioLanguages        *[]string        `json:"defaultAudioLanguages" xml:"-"`                                        // always null
	DefaultSubtitleLanguage      Optional[string] `json:"defaultSubtitleLanguage" xml:"defaultSubtitleLanguage,attr"`           // null: no preference
	DefaultSubtitleLanguages     *[]string        `json:"defaultSubtitleLanguages" xml:"-"`                                     // always null
	AutoSelectSubtitle           Enum             `json:"autoSelectSubtitle" xml:"autoSelectSubtitle,attr"`                     // 0: manually
	DefaultSubtitleAccessibility Enum             `json:"defaultSubtitleAccessibility" xml:"defaultSubtitleAccessibility,attr"` // 0: no preference
	DefaultSubtitleForced        Enum             `json:"defaultSubtitleForced" xml:"defaultSubtitleForced,attr"`               // 0: no preference
	WatchedIndicator             Enum             `json:"watchedIndicator" xml:"watchedIndicator,attr"`                         // 1: shown
	MediaReviewsVisibility       Enum             `json:"mediaReviewsVisibility" xml:"mediaReviewsVisibility,attr"`             // 0: none
	MediaReviewsLanguages        *[]string        `json:"mediaReviewsLanguages" xml:"-"`                                        // always null
}

// Person has the values of an account object that usher knows.
type Person struct {
	ID               int64     // the number of the account
	UUID             string    // the UUID of the account
	Username         string    // the unique name; a managed user has none
	Title            string    // the display name
	Email            string    // can be empty
	Confirmed        bool      // an admin set or confirmed the e-mail address
	FriendlyName     string    // a display name; may be empty
	JoinedAt         time.Time // the creation of the account
	HasPassword      bool      // can sign in with a password
	TwoFactorEnabled bool      // needs a second factor to sign in
	BackupCodes      bool      // has unused backup codes
	House            House     // the home that the account is in
}

// House is the part of an account object about the account's home. The zero value is a
// home without other users.
type House struct {
	Home       bool // the account is in a home
	Admin      bool // as its owner or an admin
	Size       int  // how many users it has
	Restricted bool // the account is a managed user or the guest
	Guest      bool // it is the guest
	Protected  bool // it has a PIN
}

// size returns how many users a home has: an account without one is alone.
func (h House) size() int { return max(1, h.Size) }

// maxHomeSize is the maximum number of users of a home, as the real services send it.
const maxHomeSize = 15

// NewAccount returns the account object of p.
func NewAccount(p Person) Account {
	return Account{
		ID: p.ID, UUID: p.UUID, Username: p.Username, Title: p.Title, Email: p.Email,
		FriendlyName: p.FriendlyName, Confirmed: Bool(p.Confirmed), JoinedAt: p.JoinedAt.Unix(),
		HasPassword: Bool(p.HasPassword), MailingListStatus: "unsubscribed",
		Country: unknownCountry, Subscription: subscription{Status: "Inactive"},
		Home: Bool(p.House.Home), HomeAdmin: Bool(p.House.Admin), HomeSize: p.House.size(), MaxHomeSize: maxHomeSize,
		Restricted: Bool(p.House.Restricted), Guest: Bool(p.House.Guest), Protected: Bool(p.House.Protected),
		Profile:          profile{AutoSelectAudio: true, WatchedIndicator: Enum{N: 1}},
		TwoFactorEnabled: Bool(p.TwoFactorEnabled), BackupCodesCreated: Bool(p.BackupCodes),
	}
}

// withVariant returns a in the shape of v.
func (a Account) withVariant(v Variant) Account {
	if v&NoNulls != 0 {
		for _, o := range []interface{ orZero() }{
			&a.Locale, &a.SubscriptionDescription, &a.Anonymous, &a.AdsConsent, &a.AdsConsentSetAt,
			&a.AdsConsentReminderAt, &a.AttributionPartner, &a.Profile.DefaultAudioLanguage,
			&a.Profile.DefaultSubtitleLanguage, &a.Subscription.SubscribedAt,
			&a.Subscription.PaymentService, &a.Subscription.Plan,
		} {
			o.orZero()
		}
	}
	if v&TextEnums != 0 {
		p := &a.Profile
		for _, e := range []*Enum{
			&p.DefaultAudioAccessibility, &p.AutoSelectSubtitle, &p.DefaultSubtitleAccessibility,
			&p.DefaultSubtitleForced, &p.WatchedIndicator, // not mediaReviewsVisibility: 0.23.5 reads a number there
		} {
			e.text = true
		}
	}
	return a
}

// AccountPage is an account object that is encoded once in each shape, when it is first
// sent in that shape, and sent many times: token details are the most frequent response,
// and only its token and the URL of its avatar differ between the devices of an account.
// It is safe for concurrent use.
type AccountPage struct {
	account Account
	xml     atomic.Pointer[[]byte] // the document after "<user"
	json    [len(jsonShapes)]atomic.Pointer[[]byte]
}

// accountTraits are the traits that affect an account's JSON, and jsonShapes all
// combinations of them.
const accountTraits = NoNulls | TextEnums

var jsonShapes = [...]Variant{0, NoNulls, TextEnums, NoNulls | TextEnums}

// Page returns the account as a page.
func (a Account) Page() *AccountPage { return &AccountPage{account: a} }

// inXML returns the document after "<user".
func (p *AccountPage) inXML() ([]byte, error) {
	return kept(&p.xml, func() ([]byte, error) {
		doc, err := appendXML(nil, p.account)
		_, rest, _ := bytes.Cut(doc, []byte("<user"))
		return rest, err
	})
}

// inJSON returns the object in the shape of v, without the last brace.
func (p *AccountPage) inJSON(v Variant) ([]byte, error) {
	shape := slices.Index(jsonShapes[:], v&accountTraits)
	return kept(&p.json[shape], func() ([]byte, error) {
		return accountShapes()[shape].encode(&p.account), nil
	})
}

// accountValues are the keys of an account's JSON whose values NewAccount takes from a
// Person, in their order, and how each value is written.
var accountValues = [...]struct {
	key   string
	write func(dst []byte, a *Account) []byte
}{
	{"id", func(dst []byte, a *Account) []byte { return strconv.AppendInt(dst, a.ID, 10) }},
	{"uuid", func(dst []byte, a *Account) []byte { return appendEscapedJSONText(dst, a.UUID) }},
	{"username", func(dst []byte, a *Account) []byte { return appendEscapedJSONText(dst, a.Username) }},
	{"title", func(dst []byte, a *Account) []byte { return appendEscapedJSONText(dst, a.Title) }},
	{"email", func(dst []byte, a *Account) []byte { return appendEscapedJSONText(dst, a.Email) }},
	{"friendlyName", func(dst []byte, a *Account) []byte { return appendEscapedJSONText(dst, a.FriendlyName) }},
	{"confirmed", func(dst []byte, a *Account) []byte { return strconv.AppendBool(dst, bool(a.Confirmed)) }},
	{"joinedAt", func(dst []byte, a *Account) []byte { return strconv.AppendInt(dst, a.JoinedAt, 10) }},
	{"hasPassword", func(dst []byte, a *Account) []byte { return strconv.AppendBool(dst, bool(a.HasPassword)) }},
	{"protected", func(dst []byte, a *Account) []byte { return strconv.AppendBool(dst, bool(a.Protected)) }},
	{"restricted", func(dst []byte, a *Account) []byte { return strconv.AppendBool(dst, bool(a.Restricted)) }},
	{"home", func(dst []byte, a *Account) []byte { return strconv.AppendBool(dst, bool(a.Home)) }},
	{"guest", func(dst []byte, a *Account) []byte { return strconv.AppendBool(dst, bool(a.Guest)) }},
	{"homeSize", func(dst []byte, a *Account) []byte { return strconv.AppendInt(dst, int64(a.HomeSize), 10) }},
	{"homeAdmin", func(dst []byte, a *Account) []byte { return strconv.AppendBool(dst, bool(a.HomeAdmin)) }},
	{"twoFactorEnabled", func(dst []byte, a *Account) []byte { return strconv.AppendBool(dst, bool(a.TwoFactorEnabled)) }},
	{"backupCodesCreated", func(dst []byte, a *Account) []byte { return strconv.AppendBool(dst, bool(a.BackupCodesCreated)) }},
}

// accountShape is the JSON of an account in one shape, without the last brace: the texts
// before each of accountValues, and the text after all of them. They are the same for every
// account. encoding/json takes four times as long to encode them again as it takes to copy
// them.
type accountShape [len(accountValues) + 1]string

// accountShapes returns the accountShape for each of jsonShapes.
var accountShapes = sync.OnceValue(func() (all [len(jsonShapes)]*accountShape) {
	for i, v := range jsonShapes {
		all[i] = newAccountShape(v)
	}
	return all
})

// newAccountShape cuts the JSON of an account at its values.
func newAccountShape(v Variant) *accountShape {
	var s accountShape
	sample := NewAccount(Person{})
	doc, err := appendJSON(nil, sample.withVariant(v))
	if err != nil {
		panic(err) // it has only constants
	}
	rest := strings.TrimSuffix(string(doc), "}")
	for i, value := range accountValues {
		key := `"` + value.key + `":`
		before, after, found := strings.Cut(rest, key+string(value.write(nil, &sample)))
		if !found {
			panic("an account has no " + value.key + " in this place")
		}
		s[i], rest = before+key, after
	}
	s[len(accountValues)] = rest
	return &s
}

// encode returns the JSON of an account.
func (s *accountShape) encode(a *Account) []byte {
	const values = 160 // numbers and booleans, and some room for texts that are escaped
	size := values + len(a.UUID) + len(a.Username) + len(a.Title) + len(a.Email) + len(a.FriendlyName)
	for _, text := range s {
		size += len(text)
	}
	doc := make([]byte, 0, size)
	for i, value := range accountValues {
		doc = value.write(append(doc, s[i]...), a)
	}
	return append(doc, s[len(accountValues)]...)
}

// kept returns the cached encoding, or encodes and caches it. Two concurrent calls can
// both encode it, with the same result.
func kept(at *atomic.Pointer[[]byte], encode func() ([]byte, error)) ([]byte, error) {
	if doc := at.Load(); doc != nil {
		return *doc, nil
	}
	doc, err := encode()
	if err == nil {
		at.Store(&doc)
	}
	return doc, err
}

// With completes the page for one response. It contains the whole token, which must
// be the one that the caller sent or was just issued. thumb is the URL of the
// account's avatar.
func (p *AccountPage) With(token plexauth.Secret, thumb string, now time.Time) Body {
	return accountAnswer{p, token, thumb, now.Add(rememberFor).Unix()}
}

type accountAnswer struct {
	page       *AccountPage
	token      plexauth.Secret
	thumb      string
	rememberTo int64
}

// Append implements Body.
func (a accountAnswer) Append(dst []byte, f Format, v Variant) ([]byte, error) {
	if f == JSON {
		doc, err := a.page.inJSON(v)
		if err != nil {
			return dst, err
		}
		dst = append(dst, doc...)
		dst = append(dst, `,"rememberExpiresAt":`...)
		dst = strconv.AppendInt(dst, a.rememberTo, 10)
		dst = append(dst, `,"thumb":`...)
		dst = appendJSONText(dst, a.thumb)
		dst = append(dst, `,"authToken":`...)
		return append(appendJSONText(dst, string(a.token)), '}'), nil
	}
	doc, err := a.page.inXML()
	if err != nil {
		return dst, err
	}
	dst = append(dst, xml.Header...)
	dst = append(dst, `<user rememberExpiresAt="`...)
	dst = strconv.AppendInt(dst, a.rememberTo, 10)
	dst = append(dst, `" thumb="`...)
	dst = append(dst, xmlText(a.thumb)...)
	dst = append(dst, `" authToken="`...)
	dst = append(dst, xmlText(string(a.token))...)
	dst = append(dst, '"')
	return append(dst, doc...), nil
}

// xmlText escapes s for use between double quotes.
func xmlText(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder never fails
	return b.String()
}
