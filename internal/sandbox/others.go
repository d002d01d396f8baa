package sandbox

import (
	"os"
	"regexp"
	"slices"
	"strings"
)

// folderPrefix is how the names of the folders of runs begin.
const folderPrefix = "usher-exec-"

// Settings that lead to another run: its folder in a list of folders, and the options of
// runtimes. Node fails if the file of an option does not exist, which is the case after
// that run has ended. So does Ruby for a library.
var (
	othersFile = regexp.MustCompile(`(^|[/\\])` + folderPrefix + `\d+[/\\]`)
	othersNode = regexp.MustCompile(` ?--require "(?:[^"\\]|\\.)*` + folderPrefix + `\d+[/\\]+node\.cjs"`)
	othersJava = regexp.MustCompile(` ?(?:"-Djavax\.net\.ssl\.trustStore=[^"]*` + folderPrefix + `\d+[/\\][^"]*"|` +
		`-Djavax\.net\.ssl\.trustStore=\S*` + folderPrefix + `\d+[/\\]\S*)` +
		` -Djavax\.net\.ssl\.trustStoreType=jks(?: -Dhttps?\.proxy(?:Host|Port)=\S+)*(?: -Dhttp\.nonProxyHosts=(?:$| ))?`)
)

// withoutOthers is the environment without what leads to another run: one around this
// one, or one whose variables a shell has kept although it has ended.
func (e environ) withoutOthers() environ {
	others := false
	kept := make(environ, 0, len(e))
	for _, v := range e {
		name, value, _ := strings.Cut(v, "=")
		if !strings.Contains(value, folderPrefix) {
			kept = append(kept, v)
			continue
		}
		without := withoutFolders(value)
		switch name {
		case "PYTHONPATH", "PHP_INI_SCAN_DIR":
		case "RUBYLIB":
			others = others || without != value
		case "NODE_OPTIONS":
			without = strings.TrimSpace(othersNode.ReplaceAllString(value, ""))
		case "JAVA_TOOL_OPTIONS":
			without = strings.TrimSpace(othersJava.ReplaceAllString(value, ""))
		default:
			if without = value; isTrust(name) && othersFile.MatchString(value) {
				without = ""
			}
		}
		if without != "" {
			kept = append(kept, name+"="+without)
		}
	}
	if !others {
		return kept
	}
	options := slices.DeleteFunc(strings.Fields(kept.get("RUBYOPT")), func(o string) bool { return o == rubyOption })
	kept = kept.without(func(name string) bool { return name == "RUBYOPT" })
	if len(options) > 0 {
		kept = kept.set("RUBYOPT", strings.Join(options, " "))
	}
	return kept
}

// isTrust reports whether a variable names a file with certificates.
func isTrust(name string) bool {
	return name == "WGETRC" || slices.Contains(trustVariables, name)
}

// withoutFolders is a list of folders without those of other runs.
func withoutFolders(list string) string {
	const separator = string(os.PathListSeparator)
	var kept []string
	for folder := range strings.SplitSeq(list, separator) {
		if !othersFile.MatchString(folder) {
			kept = append(kept, folder)
		}
	}
	return strings.Join(kept, separator)
}
