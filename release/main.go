package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// targets are the systems that a release has binaries for.
var targets = []target{
	{os: "linux", arch: "amd64"},
	{os: "linux", arch: "arm64"},
	{os: "linux", arch: "arm", arm: "7"},
	{os: "darwin", arch: "amd64"},
	{os: "darwin", arch: "arm64"},
	{os: "windows", arch: "amd64"},
}

func main() {
	var only string
	var verify bool
	out := flag.String("out", "dist", "`folder` for the files; it must be empty or not exist")
	flag.StringVar(&only, "only", "", "`systems` to build for, such as linux/amd64,darwin/arm64 (default all)")
	flag.BoolVar(&verify, "verify", false, "build everything a second time, and fail if a byte differs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *out, only, verify); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// run builds a release of the module that contains the working directory, from its last
// commit.
func run(ctx context.Context, out, only string, verify bool) error {
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	root, err := git(ctx, ".", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	if dirty, err := git(ctx, root, "status", "--porcelain"); err != nil || dirty != "" {
		return errors.Join(err, errors.New("the checkout has changes that are not committed: a release is of a commit"))
	}
	if err := makeEmpty(out); err != nil {
		return err
	}
	if err := buildClone(ctx, root, out, chosen); err != nil || !verify {
		return err
	}
	return again(ctx, root, out, chosen)
}

// buildClone builds a clone of root. A clone has no files that git does not track, and the
// Go tool finds the commit even if root is a worktree.
func buildClone(ctx context.Context, root, out string, chosen []target) error {
	dir, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if _, err := git(ctx, root, "clone", "--quiet", root, dir); err != nil {
		return err
	}
	return build(ctx, dir, out, chosen)
}

// choose returns the targets in a list, or all if it is empty.
func choose(list string) ([]target, error) {
	if list == "" {
		return targets, nil
	}
	var chosen []target
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(targets, func(t target) bool { return t.String() == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown target %s: choose from %v", name, targets)
		}
		chosen = append(chosen, targets[i])
	}
	return chosen, nil
}

// release is one release while it is built.
type release struct {
	root    string    // of usher's module
	out     string    // where the files go
	version string    // without a v
	time    time.Time // of the commit
}

// build writes every file of a release of root to out.
func build(ctx context.Context, root, out string, chosen []target) error {
	r := release{root: root, out: out}
	seconds, err := git(ctx, root, "log", "-1", "--format=%ct")
	if err != nil {
		return err
	}
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return fmt.Errorf("reading the time of the commit: %w", err)
	}
	r.time = time.Unix(unix, 0).UTC()
	if r.version, err = describe(ctx, root); err != nil {
		return err
	}
	for _, t := range chosen {
		if err := r.target(ctx, t); err != nil {
			return fmt.Errorf("%v: %w", t, err)
		}
	}
	return r.sums()
}

// describe returns the version of a checkout, without a v. Where it has the hash of the
// commit, that is equally long in every clone: git by itself makes it longer in a
// repository with more objects, or as its configuration says.
func describe(ctx context.Context, root string) (string, error) {
	text, err := git(ctx, root, "describe", "--tags", "--always", "--abbrev=12", "--match", "v[0-9]*")
	return strings.TrimPrefix(text, "v"), err
}

// target writes the files for one system.
func (r release) target(ctx context.Context, t target) error {
	fmt.Println("building for", t)
	binary, err := r.compile(ctx, t)
	if err != nil {
		return err
	}
	defer os.Remove(binary)
	steps := []func() error{
		func() error { return r.archive(t, binary) },
		func() error { return r.bill(ctx, t, binary) },
	}
	if t.os == "linux" {
		steps = append(steps, func() error { return r.deb(t, binary) })
		steps = append(steps, func() error { return r.image(t, binary) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// again builds another clone of root, and compares the files.
func again(ctx context.Context, root, out string, chosen []target) error {
	dir, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := buildClone(ctx, root, dir, chosen); err != nil {
		return fmt.Errorf("building a second time: %w", err)
	}
	first, err := os.ReadFile(filepath.Join(out, sumsFile))
	if err != nil {
		return err
	}
	sums, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil {
		return err
	}
	if string(first) != string(sums) {
		return fmt.Errorf("the second build differs\nfirst:\n%ssecond:\n%s", first, sums)
	}
	fmt.Println("a second build gave the same bytes")
	return nil
}

// makeEmpty creates a folder, which must not have files.
func makeEmpty(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty: remove it first", dir)
	}
	return err
}

// git runs git in a folder and returns what it prints, without the last newline.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}
