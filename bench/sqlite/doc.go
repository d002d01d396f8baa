// Package sqlite compares SQLite drivers for the store of an authentication server.
//
// The server's most frequent query looks up a token by its hash; its writes must be on disk before
// they are acknowledged. The benchmarks measure both for each driver, on a table of 200,000 tokens,
// with a write-ahead log, synchronous=FULL and foreign keys on.
//
// It is a separate module, so that the server does not depend on the drivers that it does not use.
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
// driver). The databases are in TMPDIR: set it to a folder on the disk to measure, because commits
// to a memory file system cost nothing. To run one workload:
//
//	go test -bench Lookup -benchmem
//
// # Layout
//
//   - driver: the interface of a driver and the shared statements, with a subfolder per driver.
//   - probe: a minimal program per driver that opens a database, to measure its size and memory.
//   - report: the program that builds, runs and tabulates.
package sqlite
