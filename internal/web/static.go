package web

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// staticPath is where the stylesheet, the scripts and the icon are served.
const staticPath = "/static/"

// staticHashes has a hash of each static file. It is part of the file's address,
// so that browsers can cache the file forever.
var staticHashes = hashStatic()

func hashStatic() map[string]string {
	hashes := make(map[string]string)
	entries, err := files.ReadDir("static")
	if err != nil {
		panic(err) // it is embedded
	}
	for _, e := range entries {
		text, err := files.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(text)
		hashes[e.Name()] = hex.EncodeToString(sum[:6])
	}
	return hashes
}

// staticURL is the address of a static file, with its hash.
func staticURL(name string) string { return staticPath + name + "?" + staticHashes[name] }

func serveStatic(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header(), r.TLS != nil)
	name := strings.TrimPrefix(r.URL.Path, staticPath)
	if hash, ok := staticHashes[name]; !ok {
		http.NotFound(w, r)
		return
	} else if r.URL.RawQuery == hash {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeFileFS(w, r, files, "static/"+name)
}
