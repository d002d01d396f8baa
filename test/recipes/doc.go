// Package recipes contains only tests, which run what deploy/ has with the built
// binary: reverse proxies, units of systemd, pods, pipelines, and what reads the log
// and the metrics.
package recipes
