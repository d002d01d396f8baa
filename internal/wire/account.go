package wire

import (
	"bytes"
	"encoding/xml"
	"strconv"
	"strings"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

// rememberFor is how far ahead rememberExpiresAt lies. usher's tokens live
// until revoked, so the field only says "not soon"; the real services were
// seen to send about two weeks (third-party sample).
const rememberFor = 14 * 24 * time.Hour

// unknownCountry is the code of an unknown region (CLDR): typed clients require two
// letters, and usher does not know the country.
const unknownCountry = "ZZ"

// Account is the account object without the fields that differ between responses
// (authToken, thumb and rememberExpiresAt). Every key is always sent: generated SDKs
// and strict decoders fail on an absent one. Fields that usher does not use have
// values that harm no client.
type Account struct {
	XMLName                 xml.Name         `json:"-" xml:"user"`
	ID                      int64            `json:"id" xml:"id,attr"`
	UUID                    string           `json:"uuid" xml:"uuid,attr"`
	Username                string           `json:"username" xml:"username,attr"`
	Title                   string           `json:"title" xml:"title,attr"`
	Email                   string           `json:"email" xml:"email,attr"`
	FriendlyName            string           `json:"friendlyName" xml:"friendlyName,attr"`
	Locale                  Optional[string] `json:"locale" xml:"locale,attr"`
	Confirmed               Bool             `json:"confirmed" xml:"confirmed,attr"`
	JoinedAt                int64            `json:"joinedAt" xml:"joinedAt,attr"`
	EmailOnlyAuth           Bool             `json:"emailOnlyAuth" xml:"emailOnlyAuth,attr"`
	HasPassword             Bool             `json:"hasPassword" xml:"hasPassword,attr"`
	Protected               Bool             `json:"protected" xml:"protected,attr"`
	MailingListStatus       string           `json:"mailingListStatus" xml:"mailingListStatus,attr"`
	MailingListActive       Bool             `json:"mailingListActive" xml:"mailingListActive,attr"`
	ScrobbleTypes           string           `json:"scrobbleTypes" xml:"scrobbleTypes,attr"`
	Country                 string           `json:"country" xml:"country,attr"`
	Subscription            subscription     `json:"subscription" xml:"subscription"`
	SubscriptionDescription Optional[string] `json:"subscriptionDescription" xml:"subscriptionDescription,attr"`
	Restricted              Bool             `json:"restricted" xml:"restricted,attr"`
	Anonymous               Optional[Bool]   `json:"anonymous" xml:"anonymous,attr"`
	Home                    Bool             `json:"home" xml:"home,attr"`
	Guest                   Bool             `json:"guest" xml:"guest,attr"`
	HomeSize                int              `json:"homeSize" xml:"homeSize,attr"`
	HomeAdmin               Bool             `json:"homeAdmin" xml:"homeAdmin,attr"` // usher has no homes
	MaxHomeSize             int              `json:"maxHomeSize" xml:"maxHomeSize,attr"`
	Profile                 profile          `json:"profile" xml:"profile"`
	Entitlements            emptyList        `json:"entitlements" xml:"entitlements"`
	Roles                   emptyList        `json:"roles" xml:"roles"`
	Subscriptions           emptyList        `json:"subscriptions" xml:"subscriptions"`
	PastSubscriptions       emptyList        `json:"pastSubscriptions" xml:"pastSubscriptions"`
	Trials                  emptyList        `json:"trials" xml:"trials"`
	Services                emptyList        `json:"services" xml:"services"`
	AdsConsent              Optional[Bool]   `json:"adsConsent" xml:"adsConsent,attr"`
	AdsConsentSetAt         Optional[int64]  `json:"adsConsentSetAt" xml:"adsConsentSetAt,attr"`
	AdsConsentReminderAt    Optional[int64]  `json:"adsConsentReminderAt" xml:"adsConsentReminderAt,attr"`
	ExperimentalFeatures    Bool             `json:"experimentalFeatures" xml:"experimentalFeatures,attr"`
	TwoFactorEnabled        Bool             `json:"twoFactorEnabled" xml:"twoFactorEnabled,attr"`
	BackupCodesCreated      Bool             `json:"backupCodesCreated" xml:"backupCodesCreated,attr"`
	AttributionPartner      Optional[string] `json:"attributionPartner" xml:"attributionPartner,attr"`
}

// subscription is always that of an account without a subscription.
type subscription struct {
	Active         Bool             `json:"active" xml:"active,attr"`
	SubscribedAt   Optional[string] `json:"subscribedAt" xml:"subscribedAt,attr"`
	Status         string           `json:"status" xml:"status,attr"`
	PaymentService Optional[string] `json:"paymentService" xml:"paymentService,attr"`
	Plan           Optional[string] `json:"plan" xml:"plan,attr"`
	Features       emptyList        `json:"features" xml:"features"`
}

// profile is the playback profile, which older SDKs read as 0 or 1 only. The
// three lists of languages are null because typed SDKs fail on the comma
// separated string that the real services were seen to send.
type profile struct {
	AutoSelectAudio              Bool             `json:"autoSelectAudio" xml:"autoSelectAudio,attr"`
	DefaultAudioAccessibility    Enum             `json:"defaultAudioAccessibility" xml:"defaultAudioAccessibility,attr"`
	DefaultAudioLanguage         Optional[string] `json:"defaultAudioLanguage" xml:"defaultAudioLanguage,attr"`
	DefaultAudioLanguages        *[]string        `json:"defaultAudioLanguages" xml:"-"`
	DefaultSubtitleLanguage      Optional[string] `json:"defaultSubtitleLanguage" xml:"defaultSubtitleLanguage,attr"`
	DefaultSubtitleLanguages     *[]string        `json:"defaultSubtitleLanguages" xml:"-"`
	AutoSelectSubtitle           Enum             `json:"autoSelectSubtitle" xml:"autoSelectSubtitle,attr"`
	DefaultSubtitleAccessibility Enum             `json:"defaultSubtitleAccessibility" xml:"defaultSubtitleAccessibility,attr"`
	DefaultSubtitleForced        Enum             `json:"defaultSubtitleForced" xml:"defaultSubtitleForced,attr"`
	WatchedIndicator             Enum             `json:"watchedIndicator" xml:"watchedIndicator,attr"`
	MediaReviewsVisibility       Enum             `json:"mediaReviewsVisibility" xml:"mediaReviewsVisibility,attr"`
	MediaReviewsLanguages        *[]string        `json:"mediaReviewsLanguages" xml:"-"`
}

// Person has the values of an account object that usher knows.
type Person struct {
	ID               int64     // the number of the account
	UUID             string    // the UUID of the account
	Username         string    // the unique name
	Title            string    // the display name
	Email            string    // empty if there is none
	FriendlyName     string    // a display name; may be empty
	JoinedAt         time.Time // the creation of the account
	HasPassword      bool      // can sign in with a password
	TwoFactorEnabled bool      // needs a second factor to sign in
	BackupCodes      bool      // has unused backup codes
}

// NewAccount returns the account object of p.
func NewAccount(p Person) Account {
	return Account{
		ID: p.ID, UUID: p.UUID, Username: p.Username, Title: p.Title, Email: p.Email,
		FriendlyName: p.FriendlyName, Confirmed: p.Email != "", JoinedAt: p.JoinedAt.Unix(),
		HasPassword: Bool(p.HasPassword), MailingListStatus: "unsubscribed",
		Country: unknownCountry, Subscription: subscription{Status: "Inactive"}, HomeSize: 1, MaxHomeSize: 15,
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

// AccountPage is an account object that is encoded once and sent many times: token
// details are the most frequent response, and only its token and the URL of its
// avatar differ between the devices of an account. It is safe for concurrent use.
type AccountPage struct {
	xml  []byte // the document after "<user"
	json map[Variant][]byte
}

// accountTraits are the traits that show in an account's JSON, and jsonShapes
// every variant that they make up.
const accountTraits = NoNulls | TextEnums

var jsonShapes = [...]Variant{0, NoNulls, TextEnums, NoNulls | TextEnums}

// Page encodes the account in every shape.
func (a Account) Page() (*AccountPage, error) {
	page := &AccountPage{json: make(map[Variant][]byte, len(jsonShapes))}
	doc, err := appendXML(nil, a)
	if err != nil {
		return nil, err
	}
	_, page.xml, _ = bytes.Cut(doc, []byte("<user"))
	for _, v := range jsonShapes {
		doc, err := appendJSON(nil, a.withVariant(v))
		if err != nil {
			return nil, err
		}
		page.json[v] = bytes.TrimSuffix(doc, []byte("}"))
	}
	return page, nil
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
		dst = append(dst, a.page.json[v&accountTraits]...)
		dst = append(dst, `,"rememberExpiresAt":`...)
		dst = strconv.AppendInt(dst, a.rememberTo, 10)
		dst = append(dst, `,"thumb":`...)
		dst = appendJSONText(dst, a.thumb)
		dst = append(dst, `,"authToken":`...)
		return append(appendJSONText(dst, string(a.token)), '}'), nil
	}
	dst = append(dst, xml.Header...)
	dst = append(dst, `<user rememberExpiresAt="`...)
	dst = strconv.AppendInt(dst, a.rememberTo, 10)
	dst = append(dst, `" thumb="`...)
	dst = append(dst, xmlText(a.thumb)...)
	dst = append(dst, `" authToken="`...)
	dst = append(dst, xmlText(string(a.token))...)
	dst = append(dst, '"')
	return append(dst, a.page.xml...), nil
}

// xmlText escapes s for use between double quotes.
func xmlText(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder never fails
	return b.String()
}
