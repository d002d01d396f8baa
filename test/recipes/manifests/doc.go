// Package manifests contains only tests, which read the files of deploy/ for Docker and
// Kubernetes as those programs do: with the library that Docker Compose is made of, and
// into the types of the API of Kubernetes.
//
// It is a module of its own, so that usher does not depend on them. test/recipes runs
// what the files say.
package manifests
