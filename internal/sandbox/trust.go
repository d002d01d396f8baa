package sandbox

import (
	"os"
	"path/filepath"
	"slices"
)

// trustVariables name a file of certificates, each for the programs that read it:
// OpenSSL, Go and Ruby; requests; curl; Node; git; Deno; pip; AWS; Nix.
var trustVariables = []string{
	"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "DENO_CERT",
	"PIP_CERT", "AWS_CA_BUNDLE", "NIX_SSL_CERT_FILE",
}

// systemBundles are the files of certificates that programs are built with, the
// most common ones first.
var systemBundles = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Arch, Alpine
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora
	"/etc/pki/tls/certs/ca-bundle.crt",                  // older Fedora
	"/etc/ssl/ca-bundle.pem",                            // openSUSE
	"/etc/pki/tls/cacert.pem",                           // OpenELEC
	"/etc/ssl/cert.pem",                                 // Alpine, macOS, OpenSSL's own
	"/usr/lib/ssl/cert.pem",                             // Debian's OpenSSL
	"/usr/local/share/certs/ca-root-nss.crt",            // FreeBSD
}

// pythonBundles are where Python's packages have certificates of their own, below
// the prefix of an installation or of a virtual environment.
var pythonBundles = []string{
	"lib/python3*/*-packages/certifi/cacert.pem",
	"lib/python3*/*-packages/pip/_vendor/certifi/cacert.pem",
	"lib/python3/*-packages/certifi/cacert.pem",
}

// bundles finds the files of certificates that the command may read: those of the
// system first, then those that variables name and those of Python, without
// duplicates.
func (r *run) bundles() (system string, all []string) {
	env := environ(r.cfg.Env)
	add := func(path string) {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			return
		}
		if info, err := os.Stat(real); err == nil && info.Mode().IsRegular() && !slices.Contains(all, real) {
			all = append(all, real)
		}
	}
	for _, path := range systemBundles {
		add(path)
	}
	if len(all) > 0 {
		system = all[0]
	}
	for _, name := range trustVariables {
		if path := env.get(name); path != "" {
			add(path)
		}
	}
	for _, prefix := range r.prefixes() {
		for _, pattern := range pythonBundles {
			found, err := filepath.Glob(filepath.Join(prefix, pattern))
			if err != nil {
				continue
			}
			for _, path := range found {
				add(path)
			}
		}
	}
	return system, all
}

// folderVariable names folders of certificates, for OpenSSL, curl and Go.
const folderVariable = "SSL_CERT_DIR"

// maxOwn is how many files of certificates of a user's own are read.
const maxOwn = 1000

// own finds the files of certificates that variables name besides the system's. Some of
// the variables come before others: what one of them adds must be in the file of each.
func (e environ) own(system string) (files []string) {
	add := func(path string) {
		real, err := filepath.EvalSymlinks(path)
		if err != nil || slices.Contains(files, real) || len(files) >= maxOwn {
			return
		}
		info, err := os.Stat(real)
		if err == nil && info.Mode().IsRegular() && real != system {
			files = append(files, real)
		}
	}
	named := filepath.SplitList(e.get(folderVariable))
	for _, name := range trustVariables {
		named = append(named, e.get(name))
	}
	for _, path := range named {
		info, err := os.Stat(path)
		switch {
		case path == "" || err != nil || filepath.Clean(path) == filepath.Dir(system):
		case info.IsDir():
			entries, err := os.ReadDir(path)
			if err != nil {
				continue
			}
			for _, entry := range entries {
				add(filepath.Join(path, entry.Name()))
			}
		default:
			add(path)
		}
	}
	return files
}

// prefixes are the folders that may be the prefix of a Python: those of the program, of the
// entries of PATH, and of virtual environments.
func (r *run) prefixes() []string {
	env := environ(r.cfg.Env)
	var list []string
	add := func(prefix string) {
		if prefix != "" && !slices.Contains(list, prefix) {
			list = append(list, prefix)
		}
	}
	add(env.get("VIRTUAL_ENV"))
	add(filepath.Dir(filepath.Dir(r.path)))
	if real, err := filepath.EvalSymlinks(r.path); err == nil {
		add(filepath.Dir(filepath.Dir(real)))
	}
	for _, dir := range filepath.SplitList(env.get("PATH")) {
		add(filepath.Dir(filepath.Clean(dir)))
	}
	if home := env.get("HOME"); home != "" {
		add(filepath.Join(home, ".local"))
		if pyenv, err := filepath.Glob(filepath.Join(home, ".pyenv/versions/*")); err == nil {
			for _, prefix := range pyenv {
				add(prefix)
			}
		}
	}
	for _, venv := range []string{".venv", "venv", "env"} {
		if abs, err := filepath.Abs(venv); err == nil {
			add(abs)
		}
	}
	return list
}

// wgetSettings are the user's settings of wget with a file of certificates: it may be
// built with GnuTLS, which reads no variable for them.
func (e environ) wgetSettings(bundle string) []byte {
	path, home := e.get("WGETRC"), e.get("HOME")
	if path == "" && home != "" {
		path = filepath.Join(home, ".wgetrc")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		text = nil // it does not exist, or wget cannot read it either
	}
	return append(text, "\nca_certificate = "+bundle+"\n"...)
}

// trusting sets the variables that name a file of certificates, except for those
// that name one already, which has the authority too.
func (e environ) trusting(bundle string, has []string) environ {
	for _, name := range trustVariables {
		if old, err := filepath.EvalSymlinks(e.get(name)); e.get(name) != "" && err == nil && slices.Contains(has, old) {
			continue
		}
		e = e.set(name, bundle)
	}
	return e
}
