package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/usher-auth/usher/internal/adminkey"
)

// Row is a row of a route table for the tests.
type Row struct {
	Method, Path string
	// Token: the route requires one.
	Token bool
	// Checked: the route requires no token, and rejects an invalid one.
	Checked bool
	// Refused is the status for an invalid token.
	Refused int
	// Body: the route reads a body.
	Body bool
	// Caller is the required permission, as in api/openapi.yaml.
	Caller string
	// Plane is "account", "media" or "both".
	Plane string
	// JSONOnly and XMLFirst are the route's syntax.
	JSONOnly, XMLFirst bool
}

// callers are the names of callers in api/openapi.yaml.
var callers = map[caller]string{
	anyone: "anyone", goodToken: "good-token", clientID: "client", anyToken: "any-token", anyTokenV1: "any-token-422",
	accountToken: "access-token", serverToken: "server-token", adminToken: "admin-token",
}

// Rows lists both tables, a row for each method.
func Rows() []Row {
	var rows []Row
	f := new(features) // no route is called
	for p, plane := range [][]route{f.accountPlane(), f.mediaPlane(), f.bothPlanes()} {
		for _, r := range plane {
			for method := range strings.FieldsSeq(r.methods) {
				refused := http.StatusUnauthorized
				if r.caller == anyTokenV1 {
					refused = http.StatusUnprocessableEntity
				}
				rows = append(rows, Row{
					Method: method, Path: strings.TrimSuffix(r.path, "{$}"), Token: r.caller > clientID, Checked: r.caller == goodToken,
					Refused: refused, Body: r.body > 0, Caller: callers[r.caller], Plane: [...]string{"account", "media", "both"}[p],
					JSONOnly: r.syntax == onlyJSON, XMLFirst: r.syntax == legacyXML,
				})
			}
		}
	}
	return rows
}

// Responses lists the status and the code of each row of the tables of errors.
func Responses() (list [][2]int) {
	for _, r := range responses {
		list = append(list, [2]int{r.status, r.code})
	}
	for _, p := range protocolResponses {
		list = append(list, [2]int{p.status, p.code})
	}
	return list
}

// Unclean is unclean, for tests.
var Unclean = unclean

// Respond is respond, for tests.
var Respond = respond

// The errors of this package.
var (
	ErrNoClient  = errNoClient
	ErrNoToken   = errNoToken
	ErrBadToken  = errBadToken
	ErrForbidden = errForbidden
	ErrNoRoute   = errNoRoute
	ErrMethod    = errMethod
)

// Constants lists the constant answers: their sources by method and path.
func Constants() map[string]string {
	list := make(map[string]string)
	for _, c := range constants {
		list[c.methods+" "+c.path] = c.source
	}
	return list
}

// AdminRow is a row of the table of the admin API.
type AdminRow struct {
	Method, Path string
	Scope        adminkey.Scope
	Query        []string // names of parameters
	Body         bool
}

// AdminRows lists the table of the admin API.
func AdminRows() (rows []AdminRow) {
	for _, r := range new(adminFeatures).routes() { // none is called
		rows = append(rows, AdminRow{r.method, r.path, r.scope, strings.Fields(r.query), r.body})
	}
	return rows
}

// ProblemCodes lists the codes of the tables of problems.
func ProblemCodes() []string {
	list := slices.Clone(problemCodes[:])
	for _, p := range adminProblems {
		list = append(list, p.code)
	}
	return list
}
