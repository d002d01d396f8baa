package source_test

import (
	"regexp"
	"testing"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
)

// This server's platform version is that of the kernel, without the part that reveals which
// fixes it has.
func TestOwnPlatformVersion(t *testing.T) {
	c := coretest.New(t, core.Config{})
	if got := c.Sources.Self().PlatformVersion; !regexp.MustCompile(`^\d+\.\d+$`).MatchString(got) {
		t.Errorf("it is %q, want two numbers", got)
	}
}
