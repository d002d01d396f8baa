package wire

import (
	"encoding/xml"
	"time"
)

// Section is a section of a server.
type Section struct {
	ID    int64  `json:"id" xml:"id,attr"`       // the id that programs use to share it
	Key   int    `json:"key" xml:"key,attr"`     // its number at the server
	Title string `json:"title" xml:"title,attr"` // the name to show
	Type  string `json:"type" xml:"type,attr"`   // such as movie
}

// ServerInfo is a server with its sections: the response of /api/servers/{id} and of
// /api/v2/servers/{id}.
type ServerInfo struct {
	ServerFacts
	Sections []Section // all sections of the server
}

// LegacyServerInfo is the response of /api/servers/{id}. Its JSON is inferred.
type LegacyServerInfo ServerInfo

// Append implements Body.
func (s LegacyServerInfo) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	type server struct {
		ServerFacts
		Section []Section `json:"Section" xml:"Section"`
	}
	return appendContainer(dst, f, struct {
		usersAttrs
		Server []server `json:"Server" xml:"Server"`
	}{serverAttrs(s.MachineIdentifier, 1), []server{{s.ServerFacts, orEmpty(s.Sections)}}})
}

// serverAttrs are usersAttrs of a list of a server.
func serverAttrs(machineIdentifier string, size int) usersAttrs {
	attrs := newUsersAttrs(size)
	attrs.MachineIdentifier = machineIdentifier
	return attrs
}

// Append implements Body. plex-api.rs requires every key, and Wizarr the sections. The
// XML is inferred.
func (s ServerInfo) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	if f == JSON {
		return appendJSON(dst, struct {
			ServerFacts
			LibrarySections []Section `json:"librarySections"`
		}{s.ServerFacts, orEmpty(s.Sections)})
	}
	return appendXML(dst, struct {
		XMLName xml.Name `xml:"server"`
		ServerFacts
		LibrarySections []Section `xml:"librarySections>librarySection"`
	}{ServerFacts: s.ServerFacts, LibrarySections: s.Sections})
}

// SharedSection is a section in a share.
type SharedSection struct {
	Section
	Shared Bool `json:"shared" xml:"shared,attr"` // part of the share
}

// LegacyShare is the share of a server with an account, as its owner sees it.
type LegacyShare struct {
	ID                int64           `json:"id" xml:"id,attr"`                                 // the number of the share
	Username          string          `json:"username" xml:"username,attr"`                     // of the account; empty for managed users
	Email             string          `json:"email" xml:"email,attr"`                           // of the account
	UserID            int64           `json:"userID" xml:"userID,attr"`                         // the number of the account
	AccessToken       string          `json:"accessToken" xml:"accessToken,attr"`               // the owner's own, for the server
	Name              string          `json:"name" xml:"name,attr"`                             // of the server
	AcceptedAt        int64           `json:"acceptedAt" xml:"acceptedAt,attr"`                 // epoch seconds
	InvitedAt         int64           `json:"invitedAt" xml:"invitedAt,attr"`                   // epoch seconds
	AllowSync         Bool            `json:"allowSync" xml:"allowSync,attr"`                   // always 0
	AllowCameraUpload Bool            `json:"allowCameraUpload" xml:"allowCameraUpload,attr"`   // about libraries
	AllowChannels     Bool            `json:"allowChannels" xml:"allowChannels,attr"`           // about libraries
	AllowTuners       Bool            `json:"allowTuners" xml:"allowTuners,attr"`               // about libraries, which usher does not have
	AllowSubtitles    Bool            `json:"allowSubtitleAdmin" xml:"allowSubtitleAdmin,attr"` // about libraries
	Owned             Bool            `json:"owned" xml:"owned,attr"`                           // by the account: never
	AllLibraries      Bool            `json:"allLibraries" xml:"allLibraries,attr"`             // every section is shared
	FilterAll         string          `json:"filterAll" xml:"filterAll,attr"`                   // always empty
	FilterMovies      string          `json:"filterMovies" xml:"filterMovies,attr"`             // about libraries
	FilterMusic       string          `json:"filterMusic" xml:"filterMusic,attr"`               // about libraries
	FilterPhotos      string          `json:"filterPhotos" xml:"filterPhotos,attr"`             // about libraries
	FilterTelevision  string          `json:"filterTelevision" xml:"filterTelevision,attr"`     // about libraries
	Section           []SharedSection `json:"Section" xml:"Section"`                            // every one of the server
}

func (s LegacyShare) complete() LegacyShare {
	s.Section = orEmpty(s.Section)
	return s
}

// LegacyShares is the response of /api/servers/{id}/shared_servers. Its JSON is
// inferred.
type LegacyShares struct {
	MachineIdentifier string        // of the server
	Shares            []LegacyShare // of one server
}

// Append implements Body.
func (s LegacyShares) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	return appendContainer(dst, f, struct {
		usersAttrs
		SharedServer []LegacyShare `json:"SharedServer" xml:"SharedServer"`
	}{serverAttrs(s.MachineIdentifier, len(s.Shares)), each(s.Shares, LegacyShare.complete)})
}

// Invite is an invitation in version 1. PlexAPI reads the number as one, and finds an
// invitation by the name only if it has both a name and an e-mail address.
type Invite struct {
	ID           int64          `json:"id" xml:"id,attr"`                     // the number of the invitation
	CreatedAt    int64          `json:"createdAt" xml:"createdAt,attr"`       // epoch seconds
	Friend       Bool           `json:"friend" xml:"friend,attr"`             // always 1
	Home         Bool           `json:"home" xml:"home,attr"`                 // always 0
	Server       Bool           `json:"server" xml:"server,attr"`             // it is about a server
	Username     string         `json:"username" xml:"username,attr"`         // the other account; empty if it is unknown
	Email        string         `json:"email" xml:"email,attr"`               // as it was invited; empty if by name
	Thumb        string         `json:"thumb" xml:"thumb,attr"`               // URL of the avatar
	FriendlyName string         `json:"friendlyName" xml:"friendlyName,attr"` // full name, or the name to display
	Servers      []InviteServer `json:"Server" xml:"Server"`                  // that the invitation shares
}

// NewInvite returns an invitation; server reports whether it is about one.
func NewInvite(id int64, createdAt time.Time, server bool) Invite {
	return Invite{ID: id, CreatedAt: createdAt.Unix(), Friend: true, Server: Bool(server)}
}

func (i Invite) complete() Invite {
	i.Servers = orEmpty(i.Servers)
	return i
}

// InviteServer is the server of an invitation.
type InviteServer struct {
	Name         string `json:"name" xml:"name,attr"`                 // of the server
	NumLibraries int    `json:"numLibraries" xml:"numLibraries,attr"` // sections that are shared
}

// Invites is the response of /api/invites/requests and of /api/invites/requested. Its
// JSON is inferred.
type Invites []Invite

// Append implements Body.
func (i Invites) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	return appendContainer(dst, f, struct {
		usersAttrs
		Invite []Invite `json:"Invite" xml:"Invite"`
	}{newUsersAttrs(len(i)), each(i, Invite.complete)})
}

// sharingSettings are what plex-api.rs requires: usher has no such settings.
type sharingSettings struct {
	AllowChannels     Bool             `json:"allowChannels" xml:"allowChannels,attr"`           // about libraries
	AllowSubtitles    Bool             `json:"allowSubtitleAdmin" xml:"allowSubtitleAdmin,attr"` // about libraries
	AllowSync         Bool             `json:"allowSync" xml:"allowSync,attr"`                   // about libraries
	AllowCameraUpload Bool             `json:"allowCameraUpload" xml:"allowCameraUpload,attr"`   // about libraries
	AllowTuners       int              `json:"allowTuners" xml:"allowTuners,attr"`               // about libraries, which usher does not have
	FilterMovies      Optional[string] `json:"filterMovies" xml:"filterMovies,attr"`             // about libraries
	FilterMusic       Optional[string] `json:"filterMusic" xml:"filterMusic,attr"`               // about libraries
	FilterTelevision  Optional[string] `json:"filterTelevision" xml:"filterTelevision,attr"`     // about libraries
	FilterPhotos      Optional[string] `json:"filterPhotos" xml:"filterPhotos,attr"`             // about libraries
	FilterAll         Optional[string] `json:"filterAll" xml:"filterAll,attr"`                   // about libraries
}

// The statuses of friends.
const (
	StatusAccepted = "accepted"
	StatusSent     = "pending_sent"
	StatusReceived = "pending_received"
)

// Friend is an account that the caller knows, or is related to by an invitation. The
// keys are from plex-api.rs, which requires a URL of a picture.
type Friend struct {
	ID                  int64            `json:"id" xml:"id,attr"`                                   // of the account, or of an invitation that was sent
	UUID                string           `json:"uuid" xml:"uuid,attr"`                               // of the account; empty for an invitation that was sent
	Title               string           `json:"title" xml:"title,attr"`                             // the name to show
	Username            string           `json:"username" xml:"username,attr"`                       // empty for managed users
	Email               string           `json:"email" xml:"email,attr"`                             // empty for managed users
	FriendlyName        Optional[string] `json:"friendlyName" xml:"friendlyName,attr"`               // the same as title
	Restricted          Bool             `json:"restricted" xml:"restricted,attr"`                   // no login
	RestrictionProfile  Optional[string] `json:"restrictionProfile" xml:"restrictionProfile,attr"`   // such as little_kid; null for none
	FriendshipCreatedAt Optional[string] `json:"friendshipCreatedAt" xml:"friendshipCreatedAt,attr"` // RFC 3339; null for others than friends
	Thumb               string           `json:"thumb" xml:"thumb,attr"`                             // the URL of the picture
	Home                Bool             `json:"home" xml:"home,attr"`                               // of the caller's home
	Status              string           `json:"status" xml:"status,attr"`                           // one of the statuses
	SharingSettings     sharingSettings  `json:"sharingSettings" xml:"sharingSettings"`              // constant
	SharedServers       []ShareBody      `json:"sharedServers" xml:"sharedServers>sharedServer"`     // shares with the friend
	SharedSources       []string         `json:"sharedSources" xml:"sharedSources>sharedSource"`     // always empty
}

// Since returns a time for Friend.FriendshipCreatedAt, or an unknown one for the zero
// time.
func Since(t time.Time) Optional[string] {
	if t.IsZero() {
		return Optional[string]{}
	}
	return Some(rfc3339(t))
}

// complete replaces nil lists of f with empty ones.
func (f Friend) complete() Friend {
	f.SharedServers, f.SharedSources = each(f.SharedServers, ShareBody.complete), orEmpty(f.SharedSources)
	return f
}

// each returns a list, never null, with complete applied to each element.
func each[T any](list []T, complete func(T) T) []T {
	all := make([]T, 0, len(list))
	for _, one := range list {
		all = append(all, complete(one))
	}
	return all
}

// Append implements Body. The XML is inferred.
func (f Friend) Append(dst []byte, format Format, _ Variant) ([]byte, error) {
	if format == JSON {
		return appendJSON(dst, f.complete())
	}
	return appendXML(dst, struct {
		XMLName xml.Name `xml:"friend"`
		Friend
	}{Friend: f})
}

// Friends is the response of /api/v2/friends. The XML is inferred.
type Friends []Friend

// Append implements Body.
func (f Friends) Append(dst []byte, format Format, _ Variant) ([]byte, error) {
	if format == JSON {
		return appendJSON(dst, each(f, Friend.complete))
	}
	return appendXML(dst, struct {
		XMLName xml.Name `xml:"friends"`
		Friend  []Friend `xml:"friend"`
	}{Friend: f})
}

// ShareBody is a share or an invitation to a server in version 2. The keys are from
// plex-api.rs and Wizarr.
type ShareBody struct {
	ID                int64            `json:"id" xml:"id,attr"`                               // its number
	Name              string           `json:"name" xml:"name,attr"`                           // of the server
	OwnerID           int64            `json:"ownerId" xml:"ownerId,attr"`                     // the number of the owner's account
	InvitedID         int64            `json:"invitedId" xml:"invitedId,attr"`                 // of the account; 0 until it has accepted
	InvitedEmail      Optional[string] `json:"invitedEmail" xml:"invitedEmail,attr"`           // the entered text
	ServerID          int64            `json:"serverId" xml:"serverId,attr"`                   // usher's number of the server
	Accepted          Bool             `json:"accepted" xml:"accepted,attr"`                   // it is a share
	AcceptedAt        Optional[string] `json:"acceptedAt" xml:"acceptedAt,attr"`               // RFC 3339
	DeletedAt         Optional[string] `json:"deletedAt" xml:"deletedAt,attr"`                 // always null
	LeftAt            Optional[string] `json:"leftAt" xml:"leftAt,attr"`                       // always null
	Owned             Bool             `json:"owned" xml:"owned,attr"`                         // the caller owns the server
	InviteToken       Optional[string] `json:"inviteToken" xml:"inviteToken,attr"`             // always null: no secret invites
	MachineIdentifier string           `json:"machineIdentifier" xml:"machineIdentifier,attr"` // identifies the server
	LastSeenAt        Optional[string] `json:"lastSeenAt" xml:"lastSeenAt,attr"`               // RFC 3339: now
	NumLibraries      int              `json:"numLibraries" xml:"numLibraries,attr"`           // shared sections
	AllLibraries      Bool             `json:"allLibraries" xml:"allLibraries,attr"`           // every section is shared
	SharingSettings   sharingSettings  `json:"sharingSettings" xml:"sharingSettings"`          // constant
	Libraries         []Section        `json:"libraries" xml:"libraries>library"`              // shared sections
	Invited           SharePerson      `json:"invited" xml:"invited"`                          // the account that has accepted, or the entered text
}

// SharePerson is an account in a share or an invitation.
type SharePerson struct {
	ID           int64  `json:"id" xml:"id,attr"`                     // number of the account
	UUID         string `json:"uuid" xml:"uuid,attr"`                 // identifier of the account
	Title        string `json:"title" xml:"title,attr"`               // name to display
	Username     string `json:"username" xml:"username,attr"`         // name to sign in with; empty for managed users
	Email        string `json:"email" xml:"email,attr"`               // empty if the account has none
	FriendlyName string `json:"friendlyName" xml:"friendlyName,attr"` // full name, or the name to display
	Restricted   Bool   `json:"restricted" xml:"restricted,attr"`     // managed user
	Thumb        string `json:"thumb" xml:"thumb,attr"`               // URL of the avatar
	Home         Bool   `json:"home" xml:"home,attr"`                 // always false
}

func (s ShareBody) complete() ShareBody {
	s.Libraries = orEmpty(s.Libraries)
	return s
}

// Append implements Body. The XML is inferred.
func (s ShareBody) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	if f == JSON {
		return appendJSON(dst, s.complete())
	}
	return appendXML(dst, struct {
		XMLName xml.Name `xml:"sharedServer"`
		ShareBody
	}{ShareBody: s})
}

// ShareBodies is a list of shares, or of invitations that were sent. The XML is
// inferred.
type ShareBodies []ShareBody

// Append implements Body.
func (s ShareBodies) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	if f == JSON {
		return appendJSON(dst, each(s, ShareBody.complete))
	}
	return appendXML(dst, struct {
		XMLName      xml.Name    `xml:"sharedServers"`
		SharedServer []ShareBody `xml:"sharedServer"`
	}{SharedServer: s})
}

// ReceivedInvite is a received invitation to a server, in the form that Wizarr reads.
type ReceivedInvite struct {
	ID            int64       `json:"id" xml:"id,attr"`                               // its number
	Owner         SharePerson `json:"owner" xml:"owner"`                              // the sender of the invitation
	SharedServers []ShareBody `json:"sharedServers" xml:"sharedServers>sharedServer"` // one
}

func (r ReceivedInvite) complete() ReceivedInvite {
	r.SharedServers = each(r.SharedServers, ShareBody.complete)
	return r
}

// ReceivedInvites is the response of /api/v2/shared_servers/invites/received/pending.
// The XML is inferred.
type ReceivedInvites []ReceivedInvite

// Append implements Body.
func (r ReceivedInvites) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	if f == JSON {
		return appendJSON(dst, each(r, ReceivedInvite.complete))
	}
	return appendXML(dst, struct {
		XMLName xml.Name         `xml:"invites"`
		Invite  []ReceivedInvite `xml:"invite"`
	}{Invite: r})
}
