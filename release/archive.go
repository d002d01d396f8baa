package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"
)

// entry is a file in an archive, or a folder if it has no content.
type entry struct {
	name string
	from string // file to copy
	mode os.FileMode
	text []byte // the content, if it is not from a file
}

// content returns the file's content. ok is false for a folder.
func (e entry) content() (data []byte, ok bool, err error) {
	if e.from == "" {
		return e.text, e.text != nil, nil
	}
	data, err = os.ReadFile(e.from)
	return data, true, err
}

// archive writes the binary with its licence and introduction: a zip for Windows,
// a tar.gz for other systems.
func (r release) archive(t target, binary string) error {
	entries := []entry{
		{name: "LICENSE", from: filepath.Join(r.root, "LICENSE"), mode: 0o644},
		{name: "README.md", from: filepath.Join(r.root, "README.md"), mode: 0o644},
		{name: t.binary(), from: binary, mode: 0o755},
	}
	write, ext := writeTarGz, ".tar.gz"
	if t.os == "windows" {
		write, ext = writeZip, ".zip"
	}
	f, err := os.Create(filepath.Join(r.out, r.name(t)+ext))
	if err != nil {
		return err
	}
	return errors.Join(write(f, entries, r.time), f.Close())
}

func writeTarGz(w io.Writer, entries []entry, when time.Time) error {
	packed, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := writeTar(packed, entries, when, 0); err != nil {
		return err
	}
	return packed.Close()
}

// writeTar writes files that belong to the user with the ID owner.
func writeTar(w io.Writer, entries []entry, when time.Time, owner int) error {
	archive := tar.NewWriter(w)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Mode: int64(e.mode.Perm()), ModTime: when, Uid: owner, Gid: owner, Format: tar.FormatPAX}
		data, file, err := e.content()
		if err != nil {
			return err
		}
		if !file {
			header.Typeflag = tar.TypeDir
			if err := archive.WriteHeader(header); err != nil {
				return err
			}
			continue
		}
		header.Typeflag, header.Size = tar.TypeReg, int64(len(data))
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(data); err != nil {
			return err
		}
	}
	return archive.Close()
}

func writeZip(w io.Writer, entries []entry, when time.Time) error {
	archive := zip.NewWriter(w)
	for _, e := range entries {
		data, err := os.ReadFile(e.from)
		if err != nil {
			return err
		}
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: when}
		header.SetMode(e.mode)
		file, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := file.Write(data); err != nil {
			return err
		}
	}
	return archive.Close()
}
