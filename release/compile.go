package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// target is a system that usher runs on.
type target struct {
	os, arch string
	arm      string // version of the ARM architecture; empty for others
}

// String returns the name of the target in -only.
func (t target) String() string { return t.os + "/" + t.machine() }

// machine is the architecture in file names.
func (t target) machine() string {
	if t.arm != "" {
		return t.arch + "v" + t.arm
	}
	return t.arch
}

// binary is the name of usher on the system.
func (t target) binary() string {
	if t.os == "windows" {
		return "usher.exe"
	}
	return "usher"
}

// name is the name of a file of the release, without its extension.
func (r release) name(t target) string {
	return fmt.Sprintf("usher_%s_%s_%s", r.version, t.os, t.machine())
}

// environment is that of the Go tool for a target.
func (t target) environment() []string {
	return append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch, "GOARM="+t.arm, "GOFLAGS=", "GOAMD64=v1", "GOWORK=off")
}

// compile builds a static binary, which the caller must remove. The Go tool embeds the
// version of the module and the commit.
func (r release) compile(ctx context.Context, t target) (string, error) {
	file := filepath.Join(r.out, r.name(t)+".tmp")
	path, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w -buildid=", "-o", path, "./cmd/usher")
	cmd.Dir, cmd.Env = r.root, t.environment()
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go build: %w", err)
	}
	return path, nil
}
