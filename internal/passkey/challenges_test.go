package passkey

import (
	"fmt"
	"testing"
	"time"
)

// When there are too many challenges, the expired ones are removed, and no others.
func TestExpiredChallengesAreRemoved(t *testing.T) {
	t.Parallel()
	var c challenges
	now := time.Now()
	for i := range maxChallenges {
		expires := now.Add(time.Minute)
		if i%2 == 0 {
			expires = now
		}
		put(t, &c, fmt.Sprint(i), ceremony{Account: int64(i), Expires: expires}, now)
	}
	put(t, &c, "one more", ceremony{Account: -1, Expires: now.Add(time.Minute)}, now)
	if want := maxChallenges/2 + 1; len(c.waiting) != want {
		t.Errorf("%d challenges wait, want %d", len(c.waiting), want)
	}
	for i := range maxChallenges {
		if got, ok := take(t, &c, fmt.Sprint(i), now); ok != (i%2 == 1) || ok && got.Account != int64(i) {
			t.Fatalf("challenge %d is there: %v, for %d", i, ok, got.Account)
		}
	}
	if _, ok := take(t, &c, "one more", now); !ok {
		t.Error("the new challenge is not there")
	}
}

// If no challenge has expired, the one that expires next is removed.
func TestNextToExpireIsEvicted(t *testing.T) {
	t.Parallel()
	const next = maxChallenges / 3
	var c challenges
	now := time.Now()
	for i := range maxChallenges {
		expires := now.Add(time.Hour + time.Duration(i)*time.Millisecond)
		if i == next {
			expires = now.Add(time.Minute)
		}
		put(t, &c, fmt.Sprint(i), ceremony{Expires: expires}, now)
	}
	put(t, &c, "one more", ceremony{Expires: now.Add(time.Minute)}, now)
	if len(c.waiting) != maxChallenges {
		t.Errorf("%d challenges wait, want %d", len(c.waiting), maxChallenges)
	}
	if _, ok := take(t, &c, fmt.Sprint(next), now); ok {
		t.Error("the next to expire is there")
	}
	if _, ok := take(t, &c, "one more", now); !ok {
		t.Error("the new challenge is not there")
	}
}

func put(t *testing.T, c *challenges, browser string, new ceremony, now time.Time) {
	t.Helper()
	if err := c.put(t.Context(), browser, new, now); err != nil {
		t.Fatal(err)
	}
}

func take(t *testing.T, c *challenges, browser string, now time.Time) (ceremony, bool) {
	t.Helper()
	got, err := c.take(t.Context(), browser, now)
	return got, err == nil
}
