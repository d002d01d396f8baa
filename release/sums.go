package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// sumsFile lists the files of a release, in the format of sha256sum --check.
const sumsFile = "SHA256SUMS"

// sums writes the SHA-256 of every file of the release.
func (r release) sums() error {
	entries, err := os.ReadDir(r.out) // sorted by name
	if err != nil {
		return err
	}
	var list strings.Builder
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(r.out, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	return os.WriteFile(filepath.Join(r.out, sumsFile), []byte(list.String()), 0o644)
}

// bomTool creates a bill of materials in the CycloneDX format.
const bomTool = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"

// bill writes the list of modules in the binary, with their versions.
func (r release) bill(ctx context.Context, t target, binary string) error {
	cmd := exec.CommandContext(ctx, "go", "run", bomTool, "bin", "-json", "-std", "-noserial", "-notimestamp",
		"-output", filepath.Join(r.out, r.name(t)+".cdx.json"), binary)
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("writing the bill of materials: %w: %s", err, out)
	}
	return nil
}
