// Package crash contains only a test, which kills the built usher binary while it
// works and checks that no acknowledged change is lost.
//
//	go test ./test/crash                     two rounds
//	go test ./test/crash -crash.rounds=20    as "make test" runs it
package crash
