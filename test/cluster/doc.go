// Package cluster contains only tests, which run several built usher binaries on one
// PostgreSQL and do to them what machines and networks do.
package cluster
