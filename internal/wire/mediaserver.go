package wire

import "encoding/xml"

// MediaProviders is the response of /media/providers: the document that plex-api.rs
// reads when it connects to a server, which must have every key (its source). The list
// of providers is empty, because usher serves no media.
type MediaProviders Server

// Append implements Body.
func (p MediaProviders) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	return appendContainer(dst, f, struct {
		Size                 int         `json:"size" xml:"size,attr"`
		AllowCameraUpload    Bool        `json:"allowCameraUpload" xml:"allowCameraUpload,attr"`
		AllowChannelAccess   Bool        `json:"allowChannelAccess" xml:"allowChannelAccess,attr"`
		AllowMediaDeletion   Bool        `json:"allowMediaDeletion" xml:"allowMediaDeletion,attr"`
		AllowSharing         Bool        `json:"allowSharing" xml:"allowSharing,attr"`
		AllowSync            Bool        `json:"allowSync" xml:"allowSync,attr"`
		AllowTuners          Bool        `json:"allowTuners" xml:"allowTuners,attr"`
		BackgroundProcessing Bool        `json:"backgroundProcessing" xml:"backgroundProcessing,attr"`
		Certificate          Bool        `json:"certificate" xml:"certificate,attr"`
		CompanionProxy       Bool        `json:"companionProxy" xml:"companionProxy,attr"`
		Diagnostics          string      `json:"diagnostics" xml:"diagnostics,attr"`
		EventStream          Bool        `json:"eventStream" xml:"eventStream,attr"`
		FriendlyName         string      `json:"friendlyName" xml:"friendlyName,attr"`
		LiveTV               int         `json:"livetv" xml:"livetv,attr"`
		MachineIdentifier    string      `json:"machineIdentifier" xml:"machineIdentifier,attr"`
		MyPlex               Bool        `json:"myPlex" xml:"myPlex,attr"`
		MyPlexMappingState   string      `json:"myPlexMappingState" xml:"myPlexMappingState,attr"`
		MyPlexSigninState    string      `json:"myPlexSigninState" xml:"myPlexSigninState,attr"`
		MyPlexSubscription   Bool        `json:"myPlexSubscription" xml:"myPlexSubscription,attr"`
		MyPlexUsername       string      `json:"myPlexUsername" xml:"myPlexUsername,attr"`
		OwnerFeatures        string      `json:"ownerFeatures" xml:"ownerFeatures,attr"`
		PhotoAutoTag         Bool        `json:"photoAutoTag" xml:"photoAutoTag,attr"`
		Platform             string      `json:"platform" xml:"platform,attr"`
		PlatformVersion      string      `json:"platformVersion" xml:"platformVersion,attr"`
		PluginHost           Bool        `json:"pluginHost" xml:"pluginHost,attr"`
		PushNotifications    Bool        `json:"pushNotifications" xml:"pushNotifications,attr"`
		ReadOnlyLibraries    Bool        `json:"readOnlyLibraries" xml:"readOnlyLibraries,attr"`
		ABRVersion           int         `json:"streamingBrainABRVersion" xml:"streamingBrainABRVersion,attr"`
		StreamingVersion     int         `json:"streamingBrainVersion" xml:"streamingBrainVersion,attr"`
		Sync                 Bool        `json:"sync" xml:"sync,attr"`
		TranscoderSessions   int         `json:"transcoderActiveVideoSessions" xml:"transcoderActiveVideoSessions,attr"`
		TranscoderAudio      Bool        `json:"transcoderAudio" xml:"transcoderAudio,attr"`
		TranscoderLyrics     Bool        `json:"transcoderLyrics" xml:"transcoderLyrics,attr"`
		TranscoderSubtitles  Bool        `json:"transcoderSubtitles" xml:"transcoderSubtitles,attr"`
		TranscoderVideo      Bool        `json:"transcoderVideo" xml:"transcoderVideo,attr"`
		Bitrates             string      `json:"transcoderVideoBitrates" xml:"transcoderVideoBitrates,attr"`
		Qualities            string      `json:"transcoderVideoQualities" xml:"transcoderVideoQualities,attr"`
		Resolutions          string      `json:"transcoderVideoResolutions" xml:"transcoderVideoResolutions,attr"`
		UpdatedAt            int64       `json:"updatedAt" xml:"updatedAt,attr"`
		Updater              Bool        `json:"updater" xml:"updater,attr"`
		Version              string      `json:"version" xml:"version,attr"`
		VoiceSearch          Bool        `json:"voiceSearch" xml:"voiceSearch,attr"`
		MediaProvider        []directory `json:"MediaProvider" xml:"MediaProvider"`
	}{
		FriendlyName: p.FriendlyName, MachineIdentifier: p.MachineIdentifier, MyPlex: true, MyPlexMappingState: "mapped",
		MyPlexSigninState: "ok", MyPlexUsername: p.Owner, Platform: p.Platform, PlatformVersion: p.PlatformVersion,
		UpdatedAt: p.UpdatedAt.Unix(), Version: p.Version, MediaProvider: []directory{},
	})
}

// SystemAccount is an account in a media server's list.
type SystemAccount struct {
	ID               int64  `json:"id" xml:"id,attr"`                                           // 1 is the owner
	Key              string `json:"key" xml:"key,attr"`                                         // its path
	Name             string `json:"name" xml:"name,attr"`                                       // its username
	AudioLanguage    string `json:"defaultAudioLanguage" xml:"defaultAudioLanguage,attr"`       // always empty
	AutoSelectAudio  Bool   `json:"autoSelectAudio" xml:"autoSelectAudio,attr"`                 // always true
	SubtitleLanguage string `json:"defaultSubtitleLanguage" xml:"defaultSubtitleLanguage,attr"` // always empty
	SubtitleMode     int    `json:"subtitleMode" xml:"subtitleMode,attr"`                       // always 0
	Thumb            string `json:"thumb" xml:"thumb,attr"`                                     // the URL of its picture
}

// SystemAccounts is the response of /accounts on the media plane.
type SystemAccounts []SystemAccount

// Append implements Body.
func (a SystemAccounts) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	return appendContainer(dst, f, struct {
		Size       int             `json:"size" xml:"size,attr"`
		Identifier string          `json:"identifier" xml:"identifier,attr"`
		Account    []SystemAccount `json:"Account" xml:"Account"`
	}{len(a), "com.plexapp.system.accounts", orEmpty(a)})
}

// LocalServer is this server in the response of /servers on the media plane.
type LocalServer struct {
	Name              string `json:"name" xml:"name,attr"`                           // the name to show
	Host              string `json:"host" xml:"host,attr"`                           // its address
	Address           string `json:"address" xml:"address,attr"`                     // the same
	Port              int    `json:"port" xml:"port,attr"`                           // its port
	MachineIdentifier string `json:"machineIdentifier" xml:"machineIdentifier,attr"` // identifies it
	Version           string `json:"version" xml:"version,attr"`                     // in the form of a media server
}

// Append implements Body.
func (s LocalServer) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	return appendContainer(dst, f, struct {
		Size   int           `json:"size" xml:"size,attr"`
		Server []LocalServer `json:"Server" xml:"Server"`
	}{1, []LocalServer{s}})
}

// PublishedServer is a server in the response of /pms/servers, which Tautulli and
// Organizr read.
type PublishedServer struct {
	AccessToken string `json:"accessToken" xml:"accessToken,attr"` // for this server only, of the caller's
	ServerFacts
}

// ServerFacts are the facts about a server in a list of servers.
type ServerFacts struct {
	Name              string `json:"name" xml:"name,attr"`                           // the name to show
	Address           string `json:"address" xml:"address,attr"`                     // where it is reached from elsewhere
	Port              int    `json:"port" xml:"port,attr"`                           // there
	Version           string `json:"version" xml:"version,attr"`                     // of its program
	Scheme            string `json:"scheme" xml:"scheme,attr"`                       // http or https
	Host              string `json:"host" xml:"host,attr"`                           // the same as address
	LocalAddresses    string `json:"localAddresses" xml:"localAddresses,attr"`       // with commas
	MachineIdentifier string `json:"machineIdentifier" xml:"machineIdentifier,attr"` // identifies it
	CreatedAt         int64  `json:"createdAt" xml:"createdAt,attr"`                 // epoch seconds
	UpdatedAt         int64  `json:"updatedAt" xml:"updatedAt,attr"`                 // epoch seconds
	Owned             Bool   `json:"owned" xml:"owned,attr"`                         // by the caller
	Synced            Bool   `json:"synced" xml:"synced,attr"`                       // always false
}

// PublishedServers is the response of /pms/servers. Its JSON is inferred.
type PublishedServers []PublishedServer

// Append implements Body.
func (s PublishedServers) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	return appendContainer(dst, f, struct {
		FriendlyName string            `json:"friendlyName" xml:"friendlyName,attr"`
		Identifier   string            `json:"identifier" xml:"identifier,attr"`
		Size         int               `json:"size" xml:"size,attr"`
		Server       []PublishedServer `json:"Server" xml:"Server"`
	}{"myPlex", "com.plexapp.plugins.myplex", len(s), orEmpty(s)})
}

// ServerAccount is the response of /myplex/account: the account that a media server is
// signed in with. Real servers added its token, with which a transient token could be
// turned into a permanent one (CVE-2025-69414). usher has no token to add.
type ServerAccount struct {
	Username       string // the owner's e-mail address
	PublicAddress  string // where the server is reached from elsewhere
	PublicPort     int    // there
	PrivateAddress string // in its own network
	PrivatePort    int    // there
}

// Append implements Body.
func (a ServerAccount) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	doc := struct {
		XMLName              xml.Name `json:"-" xml:"MyPlex"`
		Username             string   `json:"username" xml:"username,attr"`
		MappingState         string   `json:"mappingState" xml:"mappingState,attr"`
		MappingError         string   `json:"mappingError" xml:"mappingError,attr"`
		SignInState          string   `json:"signInState" xml:"signInState,attr"`
		PublicAddress        string   `json:"publicAddress" xml:"publicAddress,attr"`
		PublicPort           int      `json:"publicPort" xml:"publicPort,attr"`
		PrivateAddress       string   `json:"privateAddress" xml:"privateAddress,attr"`
		PrivatePort          int      `json:"privatePort" xml:"privatePort,attr"`
		SubscriptionFeatures string   `json:"subscriptionFeatures" xml:"subscriptionFeatures,attr"`
		SubscriptionActive   Bool     `json:"subscriptionActive" xml:"subscriptionActive,attr"`
		SubscriptionState    string   `json:"subscriptionState" xml:"subscriptionState,attr"`
	}{
		Username: a.Username, MappingState: "mapped", SignInState: "ok", PublicAddress: a.PublicAddress,
		PublicPort: a.PublicPort, PrivateAddress: a.PrivateAddress, PrivatePort: a.PrivatePort, SubscriptionState: "Inactive",
	}
	if f == JSON {
		return appendJSON(dst, struct{ MyPlex any }{doc})
	}
	return appendXML(dst, doc)
}
