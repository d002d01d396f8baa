package avatar_test

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/usher-auth/usher/internal/avatar"
)

func TestSVG(t *testing.T) {
	for name, want := range map[string]string{
		"mia":                      "M",
		"Mia Berg":                 "MB",
		"Mia von der Berg":         "MB",
		"  éva  ":                  "É",
		"(the) 7th!":               "T7",
		"小 明":                      "小明",
		"":                         "?",
		"<b> &":                    "B",
		`"><script>`:               "S",
		"!?":                       "?",
		"a\xff":                    "A",
		strings.Repeat("a", 1<<16): "A",
	} {
		picture := avatar.SVG(name)
		if len(picture) > 1024 {
			t.Errorf("%.20q: got %d bytes", name, len(picture))
		}
		if got := text(t, picture); got != want {
			t.Errorf("%.20q: got %q, want %q", name, got, want)
		}
	}
}

// text returns the text of a picture, which must be one SVG element with
// nothing in it that runs or loads.
func text(t *testing.T, picture []byte) (text string) {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(string(picture)))
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return text
		}
		if err != nil {
			t.Fatalf("not XML: %v: %s", err, picture)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if name := token.Name.Local; name != "svg" && name != "rect" && name != "text" {
				t.Errorf("there is a %s in %s", name, picture)
			}
		case xml.CharData:
			text += string(token)
		}
	}
}

// A different name has a different version.
func TestVersion(t *testing.T) {
	if avatar.Version("mia") == avatar.Version("mio") {
		t.Error("the version stays when the name changes")
	}
}
