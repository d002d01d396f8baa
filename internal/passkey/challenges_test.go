package passkey

import (
	"fmt"
	"testing"
	"time"
)

// When there are too many challenges, those that have expired go, and no other.
func TestExpiredChallengesGo(t *testing.T) {
	t.Parallel()
	var c challenges
	now := time.Now()
	for i := range maxChallenges {
		expires := now.Add(time.Minute)
		if i%2 == 0 {
			expires = now
		}
		c.put(fmt.Sprint(i), ceremony{account: int64(i), expires: expires}, now)
	}
	c.put("one more", ceremony{account: -1, expires: now.Add(time.Minute)}, now)
	if want := maxChallenges/2 + 1; len(c.waiting) != want {
		t.Errorf("%d challenges wait, want %d", len(c.waiting), want)
	}
	for i := range maxChallenges {
		if got, ok := c.take(fmt.Sprint(i), now); ok != (i%2 == 1) || ok && got.account != int64(i) {
			t.Fatalf("challenge %d is there: %v, for %d", i, ok, got.account)
		}
	}
	if _, ok := c.take("one more", now); !ok {
		t.Error("the new challenge is not there")
	}
}

// Without expired ones, the one that expires next goes.
func TestTheNextToExpireGoes(t *testing.T) {
	t.Parallel()
	const next = maxChallenges / 3
	var c challenges
	now := time.Now()
	for i := range maxChallenges {
		expires := now.Add(time.Hour + time.Duration(i)*time.Millisecond)
		if i == next {
			expires = now.Add(time.Minute)
		}
		c.put(fmt.Sprint(i), ceremony{expires: expires}, now)
	}
	c.put("one more", ceremony{expires: now.Add(time.Minute)}, now)
	if len(c.waiting) != maxChallenges {
		t.Errorf("%d challenges wait, want %d", len(c.waiting), maxChallenges)
	}
	if _, ok := c.take(fmt.Sprint(next), now); ok {
		t.Error("the next to expire is there")
	}
	if _, ok := c.take("one more", now); !ok {
		t.Error("the new challenge is not there")
	}
}
