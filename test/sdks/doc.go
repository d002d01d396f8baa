// Package sdks contains only tests, for the SDKs that no test can install: those
// for Go, Java, Ruby, PHP and C# are on registries that the tests do not use, or
// not on their language's registry any more.
//
// It sends the requests that the SDKs' published sources form to the built binary,
// and checks each answer against what their types require: which fields must be
// there, which may be null, and how numbers, enumerations and times are written.
// One table has the releases, and one has the requirements. docs/clients.md says
// which SDKs these are.
//
// It does not replace test/clients, which runs published clients.
package sdks
