package wire

import "encoding/xml"

// Privacy are the opt-outs of an account. plex-api.rs reads the JSON, all keys of
// it, and PlexAPI the attributes; the root of the XML is inferred. Nothing is
// collected, whatever the choice.
type Privacy struct{ NoPlayback, NoLibrary bool }

// Append implements Body.
func (p Privacy) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	if f == JSON {
		return appendJSON(dst, struct {
			Playback bool     `json:"optOutPlayback"`
			Library  bool     `json:"optOutLibraryStats"`
			Domain   string   `json:"domain"`
			BaseURL  string   `json:"baseUrl"`
			Metrics  []string `json:"metrics"`
		}{p.NoPlayback, p.NoLibrary, "plex.tv", "https://plex.tv", []string{}})
	}
	return appendXML(dst, struct {
		XMLName  xml.Name `xml:"privacy"`
		Playback Bool     `xml:"optOutPlayback,attr"`
		Library  Bool     `xml:"optOutLibraryStats,attr"`
		Domain   string   `xml:"domain,attr"`
		BaseURL  string   `xml:"baseUrl,attr"`
	}{xml.Name{}, Bool(p.NoPlayback), Bool(p.NoLibrary), "plex.tv", "https://plex.tv"})
}

// ViewStateSync reports whether an account consents to the synchronisation of its watch
// state. PlexAPI and @ctrl/plex read the JSON; the root of the XML is inferred.
type ViewStateSync bool

// Append implements Body.
func (v ViewStateSync) Append(dst []byte, f Format, _ Variant) ([]byte, error) {
	if f == JSON {
		return appendJSON(dst, struct {
			Consent bool `json:"consent"`
		}{bool(v)})
	}
	return appendXML(dst, struct {
		XMLName xml.Name `xml:"view_state_sync"`
		Consent Bool     `xml:"consent,attr"`
	}{Consent: Bool(v)})
}
