package missed

import "strings"

// anonymous returns a path with only the segments that clients are known to use. Any
// other segment may be a number, an identifier or a secret.
func anonymous(path string) string {
	if len(path) > maxBytes || !strings.HasPrefix(path, "/") {
		return "other"
	}
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		if s != "" && !pathWords[s] {
			segments[i] = "{}"
		}
	}
	return "/" + strings.Join(segments, "/")
}

// pathWords are the words in the paths of plex.tv and of media servers, from clients'
// sources.
var pathWords = func() map[string]bool {
	words := make(map[string]bool)
	for word := range strings.FieldsSeq(`: accept accepted accounts actions activities agents all announcements api auth
		bandwidth butler channels children claim clients cloud_server collections companions continueWatching details
		devices diagnostics discover downloads dvrs eventsource features friends friendship geoip history home hubs
		identity image invite invites ip leaves library livetv log logs match matches media metadata music myplex
		notifications onDeck opt_outs owned pending photo pins ping player playback playlists playQueues pms popular
		prefs privacy progress providers queue rate received recentlyAdded refresh related requested requests resources
		restricted rss scrobble search sections security server servers services sessions settings shared_servers
		sharings sign_in sign_out signin signout similar sources statistics status subscriptions subtitles switch sync
		sync_items sync_lists system tags terminate timeline token transcode universal unscrobble updater user users v2
		video view_state_sync watchlist web webhooks websockets`) {
		words[word] = true
	}
	return words
}()
