package sandbox

import (
	"os"
	"strings"
)

// A switch of the kernel that refuses namespaces to those who are not root.
type kernelSwitch struct{ file, refuses, mend string }

var kernelSwitches = []kernelSwitch{
	{
		"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
		"AppArmor refuses namespaces to ordinary users: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
	},
	{
		"/proc/sys/kernel/unprivileged_userns_clone", "0",
		"the kernel refuses namespaces to ordinary users: sudo sysctl -w kernel.unprivileged_userns_clone=1",
	},
	{
		"/proc/sys/user/max_user_namespaces", "0",
		"the kernel allows no user namespaces: sudo sysctl -w user.max_user_namespaces=10000",
	},
}

// Mends returns what would make this machine allow namespaces, as far as can be
// told.
func Mends() []string {
	var list []string
	for _, s := range kernelSwitches {
		if text, err := os.ReadFile(s.file); err == nil && strings.TrimSpace(string(text)) == s.refuses {
			list = append(list, s.mend)
		}
	}
	for _, file := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(file); err == nil {
			list = append(list, "the seccomp profile of a container may refuse them: docker run --security-opt seccomp=unconfined …")
			break
		}
	}
	return list
}
