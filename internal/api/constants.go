package api

import (
	"context"
	"net/http"

	"github.com/usher-auth/usher/internal/wire"
)

// constant is a path for which usher has no data. The response is constant,
// so that clients continue.
type constant struct {
	methods, path string
	caller        caller
	status        int
	body          wire.Body // nil: none
	// source names the client, and how certain the shape is.
	source string
}

// A list in the container of version 1, without anything in it.
const nothing = `<MediaContainer friendlyName="myPlex" identifier="com.plexapp.plugins.myplex" machineIdentifier="" ` +
	`totalSize="0" size="0"></MediaContainer>`

// constants is the one table of constant answers.
var constants = [...]constant{
	{
		"GET", "/api/v2/features", anyToken, 200, wire.Constant{JSON: `[]`, XML: `<features></features>`},
		"plex-api.rs asks; that the list may be empty is inferred",
	},
	{
		"GET", "/api/announcements", anyToken, 200, wire.Constant{
			JSON: `{"MediaContainer":{"size":0,"Announcement":[]}}`,
			XML: `<MediaContainer friendlyName="myPlex" identifier="com.plexapp.plugins.myplex" machineIdentifier="" ` +
				`totalSize="0" size="0" title1="Announcements" viewGroup="list" content="plugins"></MediaContainer>`,
		},
		"plex-api.rs reads the XML; the JSON is inferred",
	},
	{
		"GET", "/companions", anyToken, 200, wire.Constant{JSON: `{"MediaContainer":{"size":0}}`, XML: nothing},
		"plex-api.rs asks; the shape is inferred",
	},
	{
		"GET", "/api/v2/companions", anyToken, 200, wire.Constant{JSON: `[]`, XML: `<companions></companions>`},
		"plex-api.rs names this path, too; the shape is inferred",
	},
	{
		"GET", "/api/v2/cloud_server", anyToken, 200, wire.Constant{JSON: `{}`, XML: `<cloud_server></cloud_server>`},
		"Tautulli looks for elements info, and takes none for no server; the root is inferred",
	},
	{
		"GET", "/servers/{machine}/sync_lists", anyToken, 200, wire.Constant{JSON: `{"MediaContainer":{"size":0}}`, XML: nothing},
		"Tautulli looks for elements SyncList; the root is inferred",
	},
	{
		"GET", "/devices/{client}/sync_items", anyToken, 200, wire.Constant{
			JSON: `{"SyncList":{"itemsCompleteCount":0,"totalSize":0,"version":2,"SyncItems":[]}}`,
			XML:  `<SyncList itemsCompleteCount="0" totalSize="0" version="2"><SyncItems></SyncItems></SyncList>`,
		},
		"PlexAPI and Tautulli read the XML; the JSON is inferred",
	},
	{
		"GET", "/api/v2/geoip", anyone, 200, wire.Constant{
			JSON: `{"code":"","continent_code":"","country":"","city":"","time_zone":"","postal_code":"","subdivisions":"",` +
				`"coordinates":"0, 0","european_union_member":false,"in_privacy_restricted_country":false}`,
			XML: `<location code="" continent_code="" country="" city="" time_zone="" postal_code="" subdivisions="" ` +
				`coordinates="0, 0" european_union_member="0" in_privacy_restricted_country="0"></location>`,
		},
		"PlexAPI and Tautulli read the XML; Tautulli fails on coordinates without a comma. usher has no database of places",
	},
}

// constantRoutes are the rows of the constants.
func constantRoutes() []route {
	routes := make([]route, 0, len(constants))
	for _, c := range constants {
		body := int64(0)
		if c.methods != http.MethodGet {
			body = small
		}
		routes = append(routes, route{c.methods, c.path, c.caller, body, negotiated, c.answer})
	}
	return routes
}

func (c constant) answer(context.Context, *call) (answer, error) {
	return answer{status: c.status, body: c.body}, nil
}

// ownAddress returns the caller's network address. PlexAPI reads plain
// text.
func ownAddress(_ context.Context, c *call) (answer, error) {
	c.Format = wire.Text
	return answer{status: http.StatusOK, body: wire.PlainText(c.address)}, nil
}
