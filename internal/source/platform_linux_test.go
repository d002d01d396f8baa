package source_test

import (
	"regexp"
	"testing"

	"github.com/usher-auth/usher/internal/core"
	"github.com/usher-auth/usher/internal/coretest"
)

// This server's version of the platform is that of the kernel, without what would
// tell which fixes it has.
func TestOwnPlatformVersion(t *testing.T) {
	c := coretest.New(t, core.Config{})
	if got := c.Sources.Self().PlatformVersion; !regexp.MustCompile(`^\d+\.\d+$`).MatchString(got) {
		t.Errorf("it is %q, want two numbers", got)
	}
}
