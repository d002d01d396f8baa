package traffic

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The format is HTTP Archive 1.2 (http://www.softwareishard.com/blog/har-12-spec),
// which the network tools of browsers open.
type harFile struct {
	Log harLog `json:"log"`
}

type harLog struct {
	Version string     `json:"version"`
	Creator harCreator `json:"creator"`
	Entries []harEntry `json:"entries"`
}

type harCreator struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type harEntry struct {
	Started  string      `json:"startedDateTime"`
	Time     float64     `json:"time"`
	Request  harRequest  `json:"request"`
	Response harResponse `json:"response"`
	Cache    struct{}    `json:"cache"`
	Timings  harTimings  `json:"timings"`
}

// harTimings are in milliseconds.
type harTimings struct {
	Send    float64 `json:"send"`
	Wait    float64 `json:"wait"`
	Receive float64 `json:"receive"`
}

type harRequest struct {
	Method      string    `json:"method"`
	URL         string    `json:"url"`
	HTTPVersion string    `json:"httpVersion"`
	Cookies     []harPair `json:"cookies"`
	Headers     []harPair `json:"headers"`
	Query       []harPair `json:"queryString"`
	PostData    *harPost  `json:"postData,omitempty"`
	HeadersSize int       `json:"headersSize"`
	BodySize    int       `json:"bodySize"`
}

type harPost struct {
	MimeType string    `json:"mimeType"`
	Params   []harPair `json:"params"`
	Text     string    `json:"text"`
}

type harResponse struct {
	Status      int        `json:"status"`
	StatusText  string     `json:"statusText"`
	HTTPVersion string     `json:"httpVersion"`
	Cookies     []harPair  `json:"cookies"`
	Headers     []harPair  `json:"headers"`
	Content     harContent `json:"content"`
	RedirectURL string     `json:"redirectURL"`
	HeadersSize int        `json:"headersSize"`
	BodySize    int        `json:"bodySize"`
}

type harContent struct {
	Size     int    `json:"size"`
	MimeType string `json:"mimeType"`
	Text     string `json:"text,omitempty"`
}

type harPair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// unknownSize is the format's value for an unknown size.
const unknownSize = -1

// WriteHAR writes the recorded exchanges as an HTTP Archive. It redacts the given
// secrets, and everything that its name or its place shows to be one.
func (r *Recorder) WriteHAR(w io.Writer, creator, version string, secrets []string) error {
	r.mu.Lock()
	kept := slices.Clone(r.kept)
	r.mu.Unlock()
	slices.SortStableFunc(kept, func(a, b exchange) int { return a.start.Compare(b.start) })
	b := newBlanker(secrets)
	for i := range kept {
		b.learn(&kept[i])
	}
	file := harFile{harLog{Version: "1.2", Creator: harCreator{creator, version}, Entries: []harEntry{}}}
	for i := range kept {
		file.Log.Entries = append(file.Log.Entries, b.entry(&kept[i]))
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(file)
}

// entry describes an exchange without its secrets.
func (b *blanker) entry(x *exchange) harEntry {
	took := float64(x.end.Sub(x.start)) / float64(time.Millisecond)
	return harEntry{
		Started: x.start.Format(time.RFC3339Nano), Time: took, Timings: harTimings{Wait: took},
		Request: b.request(x), Response: b.response(x),
	}
}

func (b *blanker) request(x *exchange) harRequest {
	scheme := "http://"
	if x.request.TLS != nil {
		scheme = "https://"
	}
	path, query, hasQuery := strings.Cut(x.request.URL.RequestURI(), "?")
	u := scheme + x.request.Host + path
	if hasQuery {
		u += "?" + b.form(query)
	}
	out := harRequest{
		Method: x.request.Method, URL: b.text(u), HTTPVersion: x.request.Proto,
		Cookies: []harPair{}, Headers: b.headers(x.request.Header), Query: b.pairs(query),
		HeadersSize: unknownSize, BodySize: x.sent.size,
	}
	if x.sent.size > 0 {
		kind := x.request.Header.Get("Content-Type")
		text := x.sent.String()
		out.PostData = &harPost{MimeType: kind, Params: []harPair{}, Text: b.body(kind, text)}
		if isForm(kind, text) && isText(kind, text) {
			out.PostData.Params = b.pairs(text)
		}
	}
	return out
}

func (b *blanker) response(x *exchange) harResponse {
	kind := x.header.Get("Content-Type")
	return harResponse{
		Status: x.status, StatusText: http.StatusText(x.status), HTTPVersion: x.request.Proto,
		Cookies: []harPair{}, Headers: b.headers(x.header),
		Content:     harContent{x.answered.size, kind, b.body(kind, x.answered.String())},
		RedirectURL: b.text(x.header.Get("Location")), HeadersSize: unknownSize, BodySize: x.answered.size,
	}
}

// headers are sorted by name.
func (b *blanker) headers(h http.Header) []harPair {
	list := []harPair{}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			list = append(list, harPair{name, b.value(name, value)})
		}
	}
	return list
}
