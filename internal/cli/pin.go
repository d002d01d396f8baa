package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/usher-auth/usher/plexauth"
)

// signInByPIN shows a code, and waits until a user has entered it.
func (cs signInCommands) signInByPIN(ctx context.Context, c *plexauth.Client, p profile) (*plexauth.Account, error) {
	pin, err := c.StartPIN(ctx, plexauth.PINRequest{})
	if err != nil {
		return nil, cs.explain(p, err)
	}
	if err := cs.showPIN(c, pin); err != nil {
		return nil, err
	}
	token, err := c.WaitPIN(ctx, pin)
	if errors.Is(err, plexauth.ErrPINExpired) {
		return nil, &hintError{errors.New("the code has expired, or the sign-in was denied"), cs.signInAgain(p) + " --pin"}
	}
	if err != nil {
		return nil, cs.explain(p, err)
	}
	theirs := *c
	theirs.Token = plexauth.StaticToken(token)
	acc, err := theirs.TokenDetails(ctx)
	if err != nil {
		return nil, cs.explain(p, err)
	}
	acc.AuthToken = token
	return acc, nil
}

// showPIN explains what to do with the code. It writes to standard error, like
// prompts: standard output is for the result.
func (cs signInCommands) showPIN(c *plexauth.Client, pin *plexauth.PIN) error {
	code, link := printable([]string{pin.Code})[0], c.LinkURL(pin)
	page, _, _ := strings.Cut(link, "?")
	if !isTerminal(cs.err) {
		_, err := fmt.Fprintf(cs.err, "Code: %s\nPage: %s\nLink: %s\nValid until: %s\n", code, page, link, pin.ExpiresAt.Format(time.RFC3339))
		return err
	}
	qr, err := terminalQR(link, true)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cs.err, "Open %s on any device, sign in, and enter %s:\n\n%s\nOr scan this code:\n\n%s\nIt is valid for %s, until %s. Press Ctrl-C to cancel.\n",
		page, code, bigLetters(code), qr, inMinutes(pin.ExpiresIn), pin.ExpiresAt.Local().Format("15:04"))
	return err
}

// inMinutes formats a duration in minutes, rounded down.
func inMinutes(d time.Duration) string {
	switch n := int(d.Minutes()); n {
	case 0:
		return "less than a minute"
	case 1:
		return "a minute"
	default:
		return fmt.Sprint(n, " minutes")
	}
}

// glyphs are letters and digits, five by five, row after row.
var glyphs = map[rune]string{
	'A': ".###. #...# ##### #...# #...#", 'B': "####. #...# ####. #...# ####.", 'C': ".#### #.... #.... #.... .####",
	'D': "####. #...# #...# #...# ####.", 'E': "##### #.... ####. #.... #####", 'F': "##### #.... ####. #.... #....",
	'G': ".#### #.... #..## #...# .####", 'H': "#...# #...# ##### #...# #...#", 'I': "##### ..#.. ..#.. ..#.. #####",
	'J': "..### ...#. ...#. #..#. .##..", 'K': "#...# #..#. ###.. #..#. #...#", 'L': "#.... #.... #.... #.... #####",
	'M': "#...# ##.## #.#.# #...# #...#", 'N': "#...# ##..# #.#.# #..## #...#", 'O': ".###. #...# #...# #...# .###.",
	'P': "####. #...# ####. #.... #....", 'Q': ".###. #...# #.#.# #..#. .##.#", 'R': "####. #...# ####. #..#. #...#",
	'S': ".#### #.... .###. ....# ####.", 'T': "##### ..#.. ..#.. ..#.. ..#..", 'U': "#...# #...# #...# #...# .###.",
	'V': "#...# #...# #...# .#.#. ..#..", 'W': "#...# #...# #.#.# ##.## #...#", 'X': "#...# .#.#. ..#.. .#.#. #...#",
	'Y': "#...# .#.#. ..#.. ..#.. ..#..", 'Z': "##### ...#. ..#.. .#... #####", '0': ".###. #..## #.#.# ##..# .###.",
	'1': "..#.. .##.. ..#.. ..#.. .###.", '2': "####. ....# .###. #.... #####", '3': "####. ....# .###. ....# ####.",
	'4': "#...# #...# ##### ....# ....#", '5': "##### #.... ####. ....# ####.", '6': ".###. #.... ####. #...# .###.",
	'7': "##### ....# ...#. ..#.. ..#..", '8': ".###. #...# .###. #...# .###.", '9': ".###. #...# .#### ....# .###.",
}

// bigLetters draws a short code in letters that can be read from a distance. It returns
// "" if the code is long or has other characters.
func bigLetters(code string) string {
	if len(code) > 6 { // the number that fits in a line
		return ""
	}
	var rows [5]strings.Builder
	for _, r := range strings.ToUpper(code) {
		glyph, ok := glyphs[r]
		if !ok {
			return ""
		}
		for i, row := range strings.Fields(glyph) {
			rows[i].WriteString("  " + strings.NewReplacer("#", "██", ".", "  ").Replace(row))
		}
	}
	var b strings.Builder
	for i := range rows {
		b.WriteString(strings.TrimRight(rows[i].String(), " ") + "\n")
	}
	return b.String()
}
