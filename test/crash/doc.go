// Package crash contains only a test. It kills a running usher, and checks that no
// acknowledged change is lost.
//
//	go test ./test/crash                     two rounds
//	go test ./test/crash -crash.rounds=20    as "make test" runs it
package crash
