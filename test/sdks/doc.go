// Package sdks contains only tests, for the SDKs that tests cannot install: those for Go,
// Java, Ruby, PHP and C# are on registries that the tests do not use, or are no longer in
// their language's registry.
//
// It sends the requests that the published sources of the SDKs form to the built binary. It
// checks each answer against the requirements of their types: which fields must be there,
// which may be null, and the formats of numbers, enumerations and times. One table has the
// releases, and one has the requirements. docs/clients.md lists these SDKs.
//
// It does not replace test/clients, which runs published clients.
package sdks
