package weak

import (
	"slices"
	"strings"
	"testing"
)

func TestCommon(t *testing.T) {
	for _, password := range []string{
		"password", "PASSWORD", "Password", "pAssWord", " password ", "ｐａｓｓｗｏｒｄ", "password1", "password123", "iloveyou",
		"12345678", "87654321", "123456789", "1234567890", "qwertyui", "QWERTYUIOP", "asdfghjkl", "lkjhgfds", "abcdefgh",
		"qwertzuiop", "azertyuiop", "11111111", "cccccccc", "CCCCCCCC", "609609609", "abcabcabc", "abcdabcd", "☃☃☃☃☃☃☃☃",
		"01022010", "31121999", "12311999", "20100102", "sunshine", "princess", "football", "baseball", "trustno1", "superman",
		"starwars", "qwerty123", "1q2w3e4r", "1qaz2wsx", "zaq12wsx", "passw0rd", "letmein1", "welcome1", "whatever", "jennifer",
		"michelle", "computer", "corvette", "mercedes", "0123456789", "00000000", "asdfasdf",
	} {
		if !Common(password) {
			t.Errorf("%q is not common", password)
		}
	}
	for _, password := range []string{
		"correct horse battery staple", "hunter2hunter2", "not on any list", "31132010", "01021899", "qwertyqsdfgh1",
		"password of mia", "abcdeabcde1", "", "ÿÿ\xff",
	} {
		if Common(password) {
			t.Errorf("%q is common", password)
		}
	}
}

// The list is in the form that Common searches: in order, folded, and with at least the
// 10,000 most common passwords that are long enough.
func TestList(t *testing.T) {
	all := strings.Split(strings.TrimSuffix(list, "\n"), "\n")
	if len(all) < 10_000 || !slices.IsSorted(all) {
		t.Errorf("%d passwords, in order: %v", len(all), slices.IsSorted(all))
	}
	for _, password := range all {
		if len([]rune(password)) < 8 {
			t.Errorf("%q is refused for its length anyway", password)
		}
	}
	for _, i := range []int{0, len(all) / 3, len(all) - 1} {
		if !Common(all[i]) || !Common(strings.ToUpper(all[i])) {
			t.Errorf("%q is not found", all[i])
		}
	}
}

func BenchmarkCommon(b *testing.B) {
	for b.Loop() {
		Common("zz not on any list")
	}
}
