// Package recipes contains only tests. They run the files in deploy/ with the built binary:
// reverse proxies, systemd units, pods, pipelines, and programs that read the log and the
// metrics.
package recipes
