// Package api has the OpenAPI document of usher's HTTP API, for programs that
// generate a client from it or test against it.
//
// It owns the text of the document, which is written by hand. It does not own what
// answers: that is internal/api, whose tests compare the two.
package api

import (
	_ "embed"
	"strings"
)

//go:embed openapi.yaml
var document string

// OpenAPI returns the document: OpenAPI 3.1, in YAML.
func OpenAPI() string { return document }

// topServer is the address of the server in the document.
const topServer = "\n  - url: /\n"

// OpenAPIBelow returns the document of a server that clients reach below a path, such
// as /usher; an empty path means the top of the host.
func OpenAPIBelow(path string) string {
	if path == "" {
		return document
	}
	return strings.Replace(document, topServer, "\n  - url: "+path+"\n", 1)
}
