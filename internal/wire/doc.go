// Package wire decodes requests and encodes responses of the protocol.
//
// It owns the parsing of the caller (the X-Plex-* identity, the token, parameters
// in query, form and JSON body), the choice of the response format (XML, JSON and
// the few shape variants that some generated SDKs need), and the shapes themselves:
// account, resources, source device, MediaContainer, errors.
//
// It does not own authorization, rules or storage: it takes plain values and
// returns bytes. It rejects input with an error of kind fault.Invalid that names
// the field and never repeats the value.
package wire
