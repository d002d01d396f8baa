// Package cluster contains only tests. They run several usher processes with one
// PostgreSQL, and cause the failures that machines and networks have.
package cluster
