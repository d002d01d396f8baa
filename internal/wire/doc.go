// Package wire is what crosses the wire, and nothing of what it means.
//
// It owns how a caller is read (the X-Plex-* identity, the token, parameters
// by query, form and JSON body), which format the answer takes (XML, JSON and
// the few shape variants some generated SDKs need), and the shapes themselves:
// account, resources, source device, MediaContainer, errors.
//
// It does not own who may ask, what is true or where it is stored: it takes
// plain values and gives bytes. It rejects input with an error of kind
// fault.Invalid that names the field and never repeats the value.
package wire
