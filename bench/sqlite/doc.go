// Package sqlite compares SQLite drivers for the store of an authentication server.
//
// The server's hot question is "whose token is this?", asked by the hash of the token; its writes
// must be on disk before they are acknowledged. The benchmarks here ask that of each driver, on a
// table of 200,000 tokens, with a write-ahead log, synchronous=FULL and foreign keys on.
//
// It is a module of its own, so that the server does not depend on the drivers it did not choose.
// It owns the measurements only: the server's schema and statements live with the server.
//
// # Running
//
// The whole comparison takes some minutes and prints one Markdown table:
//
//	./run
//
// It builds each driver once with an empty build cache, then measures all of them in turn, round
// after round, and prints medians. It needs Linux (for /proc) and a C compiler (for the cgo
// driver). The databases are put in TMPDIR: set that to a folder on the disk that matters, as a
// memory file system makes every commit look free. One workload at a time:
//
//	go test -bench Lookup -benchmem
//
// # Layout
//
//   - driver: what every driver must do, and the shared statements; one folder below per driver.
//   - probe: for each driver the smallest program that opens a database; its size and memory count.
//   - report: the program that builds, runs and tabulates.
package sqlite
