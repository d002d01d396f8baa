// Package manifests contains only tests. They read the files in deploy/ for Docker and
// Kubernetes like those programs do: with the library of Docker Compose, and into the types
// of the Kubernetes API.
//
// It is a separate module, so that usher does not depend on them. test/recipes runs the
// files.
package manifests
