// Package crash holds no code of its own: its test kills the built usher
// binary in the middle of its work, and checks that nothing which it
// acknowledged is lost.
//
//	go test ./test/crash                     two rounds
//	go test ./test/crash -crash.rounds=20    as many as "make test" runs
package crash
