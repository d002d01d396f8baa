package wire

import "encoding/xml"

// HomeUser is a user of a home in every list of them. The keys are from clients'
// sources (plex-api.rs requires all attributes of the XML).
type HomeUser struct {
	ID                 int64            `json:"id" xml:"id,attr"`                                 // the number of the account
	UUID               string           `json:"uuid" xml:"uuid,attr"`                             // the UUID of the account
	Admin              Bool             `json:"admin" xml:"admin,attr"`                           // owner or admin of the home
	Guest              Bool             `json:"guest" xml:"guest,attr"`                           // the guest of the home
	Restricted         Bool             `json:"restricted" xml:"restricted,attr"`                 // no login
	RestrictionProfile Optional[string] `json:"restrictionProfile" xml:"restrictionProfile,attr"` // such as little_kid
	HasPassword        Bool             `json:"hasPassword" xml:"hasPassword,attr"`               // can sign in with one
	Protected          Bool             `json:"protected" xml:"protected,attr"`                   // has a PIN
	Title              string           `json:"title" xml:"title,attr"`                           // the name that clients show
	Username           string           `json:"username" xml:"username,attr"`                     // empty for managed users
	Email              string           `json:"email" xml:"email,attr"`                           // empty for managed users
	FriendlyName       string           `json:"friendlyName" xml:"friendlyName,attr"`             // the same as title
	Thumb              string           `json:"thumb" xml:"thumb,attr"`                           // the URL of the picture
}

// Home is a home.
type Home struct {
	ID        int64      // the number of its owner
	Name      string     // display name
	GuestID   int64      // of the guest; 0 without one
	GuestUUID string     // of the guest
	Users     []HomeUser // the owner first
	Part      *Part      // which part of the users this is; nil: all of them
}

// homeAttrs are the common attributes of all forms of a home.
type homeAttrs struct {
	GuestUserID   int64  `json:"guestUserID" xml:"guestUserID,attr"`     // 0 without one: plex-api.rs requires a number
	GuestUserUUID string `json:"guestUserUUID" xml:"guestUserUUID,attr"` // empty without one
	GuestEnabled  Bool   `json:"guestEnabled" xml:"guestEnabled,attr"`   // there is one
	Subscription  Bool   `json:"subscription" xml:"subscription,attr"`   // never
}

func (h Home) attrs() homeAttrs {
	return homeAttrs{GuestUserID: h.GuestID, GuestUserUUID: h.GuestUUID, GuestEnabled: h.GuestID != 0}
}

// HomeInfo is the response of /api/v2/home. Its XML is inferred.
type HomeInfo Home

type homeInfo struct {
	XMLName xml.Name `json:"-" xml:"home"`
	ID      int64    `json:"id" xml:"id,attr"`     // number of the home
	Name    string   `json:"name" xml:"name,attr"` // of the home
	homeAttrs
}

// Append implements Body.
func (h HomeInfo) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	doc := homeInfo{ID: h.ID, Name: h.Name, homeAttrs: Home(h).attrs()}
	if f == JSON {
		return appendJSON(dst, doc)
	}
	return appendXML(dst, doc)
}

// HomeUsers is the response of /api/v2/home/users. Its XML is inferred.
type HomeUsers Home

// Append implements Body.
func (h HomeUsers) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	info := homeInfo{ID: h.ID, Name: h.Name, homeAttrs: Home(h).attrs()}
	if f == JSON {
		return appendJSON(dst, struct {
			homeInfo
			Users []HomeUser `json:"users"`
		}{info, orEmpty(h.Users)})
	}
	return appendXML(dst, struct {
		homeInfo
		Users []HomeUser `xml:"users>user"`
	}{info, h.Users})
}

// LegacyHomeUsers is the response of /api/home/users. Its JSON is inferred.
type LegacyHomeUsers Home

// Append implements Body.
func (h LegacyHomeUsers) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	return appendContainer(dst, f, struct {
		usersAttrs
		homeAttrs
		User []HomeUser `json:"User" xml:"User"`
	}{newUsersAttrs(len(h.Users)).of(h.Part), Home(h).attrs(), orEmpty(h.Users)})
}

// LegacyHomeUser is one user: the response to a new one, whose root PlexAPI reads.
type LegacyHomeUser struct{ HomeUser }

// Append implements Body.
func (u LegacyHomeUser) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	if f == JSON {
		return appendJSON(dst, u.HomeUser)
	}
	return appendXML(dst, struct {
		XMLName xml.Name `xml:"User"`
		HomeUser
	}{HomeUser: u.HomeUser})
}

// usersAttrs are the first attributes of version 1's lists of users.
type usersAttrs struct {
	FriendlyName      string `json:"friendlyName" xml:"friendlyName,attr"`           // always myPlex
	Identifier        string `json:"identifier" xml:"identifier,attr"`               // always com.plexapp.plugins.myplex
	MachineIdentifier string `json:"machineIdentifier" xml:"machineIdentifier,attr"` // always empty: the list is not of a server
	TotalSize         int    `json:"totalSize" xml:"totalSize,attr"`                 // how many users there are
	Size              int    `json:"size" xml:"size,attr"`                           // how many users the answer has
	Offset            *int   `json:"offset,omitempty" xml:"offset,attr"`             // the first of a part; absent without one
}

// of returns the attributes of a part of the list.
func (a usersAttrs) of(p *Part) usersAttrs {
	if p != nil {
		a.TotalSize, a.Offset = p.Total, &p.Start
	}
	return a
}

func newUsersAttrs(size int) usersAttrs {
	return usersAttrs{FriendlyName: "myPlex", Identifier: "com.plexapp.plugins.myplex", TotalSize: size, Size: size}
}

// User is an account that the caller is related to: a user of the home, a friend, or the
// other side of a share.
type User struct {
	HomeUser
	Home    bool         // of the caller's home
	Servers []UserServer // servers that are shared with the user
}

// UserServer is a server of the caller that is shared with a user. The newer SDKs
// read its flags as the numbers 0 and 1.
type UserServer struct {
	ID                int64  `json:"id" xml:"id,attr"`                               // the number of the share
	ServerID          int64  `json:"serverId" xml:"serverId,attr"`                   // usher's number of the server
	MachineIdentifier string `json:"machineIdentifier" xml:"machineIdentifier,attr"` // identifies the server
	Name              string `json:"name" xml:"name,attr"`                           // the name to show
	LastSeenAt        int64  `json:"lastSeenAt" xml:"lastSeenAt,attr"`               // epoch seconds: now
	NumLibraries      int    `json:"numLibraries" xml:"numLibraries,attr"`           // shared sections
	AllLibraries      Enum   `json:"allLibraries" xml:"allLibraries,attr"`           // every section is shared
	Owned             Enum   `json:"owned" xml:"owned,attr"`                         // by the user: never
	Pending           Enum   `json:"pending" xml:"pending,attr"`                     // it waits for the user's consent
}

// Users is the response of /api/users: the accounts that the caller is related to. PlexAPI
// finds home users in it by name.
type Users []User

// user is a row of Users. Its permissions are constants: usher has no such
// settings, and these values are harmless for clients.
type user struct {
	ID                 int64            `json:"id" xml:"id,attr"`                                 // number of the account
	UUID               string           `json:"uuid" xml:"uuid,attr"`                             // identifier of the account
	Title              string           `json:"title" xml:"title,attr"`                           // name to display
	Username           string           `json:"username" xml:"username,attr"`                     // name to sign in with; empty for managed users
	Email              string           `json:"email" xml:"email,attr"`                           // empty if the account has none
	Thumb              string           `json:"thumb" xml:"thumb,attr"`                           // URL of the avatar
	Protected          Enum             `json:"protected" xml:"protected,attr"`                   // a switch needs a PIN
	Home               Enum             `json:"home" xml:"home,attr"`                             // in the home of the caller
	Restricted         Enum             `json:"restricted" xml:"restricted,attr"`                 // managed user
	RestrictionProfile Optional[string] `json:"restrictionProfile" xml:"restrictionProfile,attr"` // such as little_kid; null for none
	AllowTuners        Enum             `json:"allowTuners" xml:"allowTuners,attr"`               // about libraries, which usher does not have
	AllowSync          Enum             `json:"allowSync" xml:"allowSync,attr"`                   // about libraries
	AllowCameraUpload  Enum             `json:"allowCameraUpload" xml:"allowCameraUpload,attr"`   // about libraries
	AllowChannels      Enum             `json:"allowChannels" xml:"allowChannels,attr"`           // about libraries
	AllowSubtitleAdmin Enum             `json:"allowSubtitleAdmin" xml:"allowSubtitleAdmin,attr"` // about libraries
	FilterAll          string           `json:"filterAll" xml:"filterAll,attr"`                   // about libraries
	FilterMovies       string           `json:"filterMovies" xml:"filterMovies,attr"`             // about libraries
	FilterMusic        string           `json:"filterMusic" xml:"filterMusic,attr"`               // about libraries
	FilterPhotos       string           `json:"filterPhotos" xml:"filterPhotos,attr"`             // about libraries
	FilterTelevision   string           `json:"filterTelevision" xml:"filterTelevision,attr"`     // about libraries
	Server             []UserServer     `json:"Server" xml:"Server"`                              // servers that are shared with the user
}

// Flag is 0 or 1 in both formats, as the newer SDKs read the list of users.
func Flag(b bool) Enum {
	if b {
		return Enum{N: 1}
	}
	return Enum{}
}

// Append implements Body.
func (u Users) Append(dst []byte, f Format, v Variant) ([]byte, error) {
	return UsersPart{Users: u}.Append(dst, f, v)
}

// UsersPart is a part of Users.
type UsersPart struct {
	Users Users // those of the part
	Part  *Part // which part this is; nil: all of the list
}

// Append implements Body.
func (p UsersPart) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	list := make([]user, 0, len(p.Users))
	for _, h := range p.Users {
		list = append(list, user{
			ID: h.ID, UUID: h.UUID, Title: h.Title, Username: h.Username, Email: h.Email, Thumb: h.Thumb,
			Protected: Flag(bool(h.Protected)), Home: Flag(h.Home), Restricted: Flag(bool(h.Restricted)),
			RestrictionProfile: h.RestrictionProfile, Server: orEmpty(h.Servers),
		})
	}
	return appendContainer(dst, f, struct {
		usersAttrs
		User []user `json:"User" xml:"User"`
	}{newUsersAttrs(len(list)).of(p.Part), list})
}
