// Package api has the OpenAPI document of usher's HTTP API, for programs that
// generate a client from it or test against it.
//
// It owns the text of the document, which is kept by hand. It does not own what
// answers: that is internal/api, whose tests compare the two.
package api

import _ "embed"

//go:embed openapi.yaml
var document string

// OpenAPI returns the document: OpenAPI 3.1, in YAML.
func OpenAPI() string { return document }
