package api

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/devicekey"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/friend"
	"github.com/usher-auth/usher/internal/home"
	"github.com/usher-auth/usher/internal/pin"
	"github.com/usher-auth/usher/internal/source"
	"github.com/usher-auth/usher/internal/token"
	"github.com/usher-auth/usher/internal/wire"
)

// Errors of this package. Their texts are messages of the API, as all texts of
// faults are.
var (
	errNoClient = fault.Invalidf("X-Plex-Client-Identifier", "X-Plex-Client-Identifier is missing")
	errNoToken  = fault.New(fault.Unauthenticated, "there is no token")
	// errBadToken is token.ErrInvalid at a path of version 1.
	errBadToken = fault.New(fault.Unauthenticated, "invalid token")
	// errNoNonceClient is errNoClient for nonces.
	errNoNonceClient = fault.Invalidf("X-Plex-Client-Identifier", "X-Plex-Client-Identifier is missing")
	errForbidden     = fault.New(fault.Denied,
		"this token does not reach that far: it takes the access token of an account that may")
	errNoRoute = fault.New(fault.NotFound, "there is nothing at this path")
	errMethod  = fault.New(fault.Unsupported, "this path does not take this method")
)

// The known codes of the protocol. Where no code is known, the code is the status.
const (
	codeNoClient        = 1000
	codeUnauthenticated = 1001
	codeNoPIN           = 1020 // with status 404; measured by a client's authors in September 2026
	codeRateLimited     = 1003
	codeSecondFactor    = 1029
	codeTooManyFailures = 1031
	codeIssuer          = 1097
	codeNoHomePIN       = 1041
)

// response is how an error is reported to the caller.
type response struct {
	status, code int
	// message is the text of the response. If empty, it is the error's own text.
	message string
	// capital reports whether the error's own text is capitalized. It is not if the
	// text can begin with the name of a field.
	capital bool
}

// responses has the response for each kind of error. An error needs a row in
// protocolResponses only if the protocol has another status, code or message for it.
var responses = [...]response{
	fault.Unknown:         {500, 500, "Something went wrong here; the server's log says what", false},
	fault.NotFound:        {404, 404, "", true},
	fault.Exists:          {409, 409, "", true},
	fault.Conflict:        {409, 409, "", true},
	fault.Invalid:         {400, 400, "", false},
	fault.TooLarge:        {413, 413, "", false},
	fault.Unsupported:     {415, 415, "", false},
	fault.Unauthenticated: {401, codeUnauthenticated, "User could not be authenticated", false},
	fault.Denied:          {403, 403, "", true},
	fault.Limited:         {429, 429, "", false},
	fault.Busy:            {503, 503, "", true},
	fault.Unavailable:     {503, 503, "", true},
}

// protocolResponses are facts of the protocol about single errors.
var protocolResponses = [...]struct {
	err error
	response
}{
	{errNoClient, response{400, codeNoClient, "", false}},
	{account.ErrCode, response{401, codeSecondFactor, "Please enter the verification code", false}},
	{account.ErrPasskeyOnly, response{401, codeUnauthenticated, "", true}},
	{account.ErrFactorDue, response{401, codeUnauthenticated, "", true}},
	{account.ErrRateLimited, response{401, codeTooManyFailures, "", false}},
	{pin.ErrNotFound, response{404, codeNoPIN, "Code not found or expired", false}},
	{home.ErrPIN, response{403, codeNoHomePIN, "A valid PIN is required to perform this action", false}},
	{friend.ErrInvited, response{400, 400, "", true}}, // as Organizr reads it
	{friend.ErrFriends, response{400, 400, "", true}},
	{source.ErrShared, response{400, 400, "", true}},
	{errMethod, response{405, 405, "", true}},
	{errBadToken, response{422, 422, "", true}},
	{errNoNonceClient, response{422, 422, "", false}},

	// Only requests with a JWT get 498: PlexAPI has no name for it, and raises
	// TypeError.
	{token.ErrExpired, response{498, 498, "", true}},
	{devicekey.ErrExpired, response{498, 498, "", false}},
	{devicekey.ErrSignature, response{422, 422, "", true}},
	{devicekey.ErrUnknownKey, response{422, 422, "", true}},
	{devicekey.ErrIssuer, response{422, codeIssuer, "", false}},
	{devicekey.ErrNonce, response{422, 422, "", false}},
	{devicekey.ErrNonceUsed, response{422, 422, "", false}},
	{devicekey.ErrTaken, response{422, 422, "", true}},
	{devicekey.ErrRateLimited, response{429, codeRateLimited, "API rate limit exceeded", false}},
}

// ofForm adds the field of an error to the response.
type ofForm struct{ error }

// Unwrap returns the error itself.
func (e ofForm) Unwrap() error { return e.error }

// respond returns the response for an error. ours reports whether the error is
// a failure of the server, which must be logged.
func respond(err error) (e wire.Error, ours bool) {
	found := fault.Find(err)
	kind := fault.KindOf(err)
	r := responses[kind]
	for _, p := range protocolResponses {
		if errors.Is(err, p.err) {
			r = p.response
			break
		}
	}
	message := r.message
	if message == "" {
		message = found.Error() // only errors with a kind are shown
	}
	if r.capital {
		first, size := utf8.DecodeRuneInString(message)
		message = string(unicode.ToUpper(first)) + message[size:]
	}
	told := wire.Error{Code: r.code, Message: message, Status: r.status}
	if errors.As(err, new(ofForm)) {
		told.Field = fault.FieldOf(err)
	}
	return told, kind == fault.Unknown
}

// refusal is the format of the errors of a path.
type refusal uint8

const (
	inVersion2 refusal = iota
	inVersion1
	// ofInvitations is the format of version 1 for servers, homes and invitations.
	ofInvitations
	ofClaims
)

// refusalAt returns the format of the errors of a path: version 1 has several.
func refusalAt(path string, r *route) refusal {
	switch {
	case r.syntax != legacyXML:
		return inVersion2
	case path == "/api/claim/token":
		return ofClaims
	case strings.HasPrefix(path, "/api/servers/"), strings.HasPrefix(path, "/api/home/"), strings.HasPrefix(path, "/api/invites/"):
		return ofInvitations
	}
	return inVersion1
}

// body returns an error as a response body.
func (r refusal) body(e wire.Error) wire.Body {
	switch r {
	case inVersion1:
		return wire.LegacyError(e)
	case ofInvitations:
		return wire.Response(e)
	case ofClaims:
		return wire.ClaimError(e)
	}
	return e
}

// setRetryAfter sets the Retry-After header, if the time is known.
func setRetryAfter(h http.Header, err error) {
	if wait := fault.WaitOf(err); wait > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
}
