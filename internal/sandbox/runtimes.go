package sandbox

import (
	"bytes"
	"crypto/sha1" // as the format has it
	_ "embed"     // the hooks
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf16"
)

// The hooks that PHP and Ruby load at their start.
var (
	//go:embed hooks/prepend.php
	phpHook string
	//go:embed hooks/usher_exec.rb
	rubyHook string
)

// runsJava reports whether the command may run Java. Without it, nothing is made for
// it: each virtual machine says on standard error that it was given options.
func (e environ) runsJava() bool {
	if e.get("JAVA_HOME") != "" {
		return true
	}
	for _, dir := range filepath.SplitList(e.get("PATH")) {
		if _, err := exec.LookPath(filepath.Join(dir, "java")); err == nil {
			return true
		}
	}
	return false
}

// trustingJava makes Java trust a key store, and use a proxy if it is not nil. Existing
// options in JAVA_TOOL_OPTIONS stay. If an option is repeated, Java uses the last value.
func (e environ) trustingJava(store string, proxy *net.TCPAddr) environ {
	options := []string{"-Djavax.net.ssl.trustStore=" + store, "-Djavax.net.ssl.trustStoreType=jks"}
	if proxy != nil {
		for _, scheme := range []string{"http", "https"} {
			options = append(options, "-D"+scheme+".proxyHost="+proxy.IP.String(), "-D"+scheme+".proxyPort="+strconv.Itoa(proxy.Port))
		}
		// If empty, localhost is led to usher, too, so that port 32400 is usher's even if the
		// machine's is in use.
		options = append(options, "-Dhttp.nonProxyHosts=")
	}
	for i, o := range options {
		if strings.ContainsAny(o, " \t") {
			options[i] = `"` + o + `"`
		}
	}
	const name = "JAVA_TOOL_OPTIONS"
	return e.set(name, strings.TrimSpace(e.get(name)+" "+strings.Join(options, " ")))
}

// javaStore returns certificates as a key store of Java's that needs no password: a
// JKS file, which every version reads.
func javaStore(certificates []byte) []byte {
	var entries bytes.Buffer
	entries.Grow(len(certificates))                                       // PEM is longer
	entries.Write([]byte{0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 0}) // the format, its version, and the count
	count := uint32(0)
	for {
		var block *pem.Block
		if block, certificates = pem.Decode(certificates); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		count++
		entries.Write(binary.BigEndian.AppendUint32(nil, 2)) // a trusted certificate
		writeJavaText(&entries, fmt.Sprint("usher-exec-", count))
		entries.Write(make([]byte, 8)) // when it was added
		writeJavaText(&entries, "X.509")
		entries.Write(binary.BigEndian.AppendUint32(nil, uint32(len(block.Bytes))))
		entries.Write(block.Bytes)
	}
	store := entries.Bytes()
	binary.BigEndian.PutUint32(store[8:], count)
	sum := sha1.New()
	for _, unit := range utf16.Encode([]rune("changeit")) { // Java's usual password
		sum.Write(binary.BigEndian.AppendUint16(nil, unit))
	}
	sum.Write([]byte("Mighty Aphrodite")) // part of the format
	sum.Write(store)
	return sum.Sum(store)
}

// writeJavaText writes a text of ASCII as java.io.DataOutput does.
func writeJavaText(b *bytes.Buffer, text string) {
	b.Write(binary.BigEndian.AppendUint16(nil, uint16(len(text))))
	b.WriteString(text)
}

// leadRuntimes writes what leads Java, PHP and Ruby, and returns the environment in
// which they read it.
func (r *run) leadRuntimes(env environ, folder string, proxy *net.TCPAddr, s hookSettings) (environ, error) {
	php, ruby := filepath.Join(folder, "php"), filepath.Join(folder, "ruby")
	prepend := filepath.Join(php, "prepend.php")
	files := map[string]string{
		prepend: strings.Replace(phpHook, "'{}' /* usher exec: settings */", quoted(s.json()), 1),
		filepath.Join(php, "usher-exec.ini"): fmt.Sprintf("curl.cainfo = %[1]q\nopenssl.cafile = %[1]q\nauto_prepend_file = %[2]q\n",
			filepath.ToSlash(s.Bundle), filepath.ToSlash(prepend)),
		filepath.Join(ruby, "usher_exec.rb"): strings.Replace(rubyHook, "'{}' # usher exec: settings", quoted(s.json()), 1),
	}
	if env.runsJava() {
		store := filepath.Join(folder, "java.jks")
		files[store] = string(javaStore([]byte(r.certificates())))
		env = env.trustingJava(store, proxy)
	}
	for _, dir := range []string{php, ruby} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, err
		}
	}
	for path, content := range files {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	// An empty entry stands for the folder that PHP was built with.
	env = env.set("PHP_INI_SCAN_DIR", env.get("PHP_INI_SCAN_DIR")+string(os.PathListSeparator)+php)
	env = env.first("RUBYLIB", ruby, string(os.PathListSeparator))
	return env.first("RUBYOPT", rubyOption, " "), nil
}

// rubyOption makes Ruby load the hook.
const rubyOption = "-rusher_exec"

// quoted is a text in the source of PHP or Ruby, in single quotes.
func quoted(text string) string { return "'" + singleQuoted.Replace(text) + "'" }

// singleQuoted escapes what ends a text in single quotes.
var singleQuoted = strings.NewReplacer(`\`, `\\`, `'`, `\'`)
