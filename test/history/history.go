// Package history checks the responses of several nodes for linearizability.
//
// Clients record their requests, with times and responses. Check proves that one server
// could have processed these events in some order, or names the secret for which no such
// order exists. The package owns that model. It does not send requests.
//
// The search is porcupine's. The model is in step.
package history

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// Kind is the kind of a request.
type Kind string

// The kinds of events.
const (
	// Give is a request that returned a new secret, or created an account. It is recorded
	// only if it succeeded: otherwise, the name is not known.
	Give Kind = "give"
	// Check asks whether a secret is still valid, or whether an account still exists.
	Check Kind = "check"
	// End revokes or removes it. Several requests may try to.
	End Kind = "end"
	// Use is an attempt to use something that works once, such as a backup code. It needs
	// no Give.
	Use Kind = "use"
)

// Answer is the result of a request.
type Answer string

// The answers.
const (
	Yes Answer = "yes"
	No  Answer = "no"
	// Unknown is an error, or no answer: the request may have been carried out, and
	// may still be.
	Unknown Answer = "unknown"
)

// Event is a request and its answer.
type Event struct {
	// Key names the subject. It is not a secret, because failures print it.
	Key    string
	Kind   Kind
	Answer Answer
	// Node is the node that was asked, for readers of a failure.
	Node string
	// Sent and Answered are when the request was sent, and when its answer arrived.
	Sent, Answered time.Time
}

// History is a list of events. It is safe for concurrent use. The zero value is empty.
type History struct {
	mu     sync.Mutex
	events map[string][]Event // by key
}

// Add records an event.
func (h *History) Add(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.events == nil {
		h.events = make(map[string][]Event)
	}
	h.events[e.Key] = append(h.events[e.Key], e)
}

// Count returns how many events have a kind and an answer.
func (h *History) Count(kind Kind, answer Answer) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, events := range h.events {
		for _, e := range events {
			if e.Kind == kind && e.Answer == answer {
				n++
			}
		}
	}
	return n
}

// Check returns one error for each key whose events cannot be those of one server. Such a
// server may accept a revoked secret for the duration of bound.
func (h *History) Check(bound time.Duration) []error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(h.events)) {
		events := slices.SortedStableFunc(slices.Values(h.events[key]), func(a, b Event) int { return a.Sent.Compare(b.Sent) })
		switch porcupine.CheckOperationsTimeout(model(bound), operations(events), time.Minute) {
		case porcupine.Illegal:
			errs = append(errs, fmt.Errorf("%s: no order of these events is right:%s", key, tell(events)))
		case porcupine.Unknown:
			errs = append(errs, fmt.Errorf("%s: %d events are too many to judge", key, len(events)))
		}
	}
	return errs
}

// operations converts events for porcupine.
func operations(events []Event) []porcupine.Operation {
	const never = int64(1) << 62
	list := make([]porcupine.Operation, 0, len(events))
	unknown := make(map[Kind]bool)
	for _, e := range events {
		answered := e.Answered.UnixNano()
		if e.Answer == Unknown {
			// A check has no effect. If several requests may still be carried out, the
			// first one stands for all.
			if e.Kind == Check || unknown[e.Kind] {
				continue
			}
			unknown[e.Kind], answered = true, never
		}
		list = append(list, porcupine.Operation{Input: e, Call: e.Sent.UnixNano(), Return: answered})
	}
	return list
}

// phase is the state of a key on a server.
type phase int

const (
	fresh phase = iota // never given, or never used
	good
	ended // or used
)

// state is a phase, and until when a check may still report a revoked secret as valid.
type state struct {
	phase phase
	until int64
}

func model(bound time.Duration) porcupine.Model {
	nondeterministic := porcupine.NondeterministicModel{
		Init: func() []any { return []any{state{}} },
		Step: func(s, input, _ any) []any {
			var next []any
			for _, n := range step(s.(state), input.(Event), bound) {
				next = append(next, n)
			}
			return next
		},
	}
	return nondeterministic.ToModel()
}

// step returns the states that a server can be in after an event in a state. The list
// is empty if the server cannot have returned that response.
func step(s state, e Event, bound time.Duration) []state {
	same := []state{s}
	// If the event shows that it was revoked, that happened before the answer.
	over := state{ended, e.Answered.Add(bound).UnixNano()}
	if s.phase == ended {
		over.until = min(over.until, s.until)
	}
	switch e.Kind {
	case Give:
		if s.phase == fresh {
			return []state{{phase: good}}
		}
	case Check:
		switch {
		case e.Answer == Yes && s.phase == good, e.Answer == No && s.phase == fresh:
			return same
		case e.Answer == Yes && s.phase == ended && e.Sent.UnixNano() <= s.until:
			return same
		case e.Answer == No && s.phase == ended:
			return []state{over}
		}
	case End:
		switch {
		case e.Answer == Yes && s.phase == good:
			return []state{over}
		case e.Answer == Unknown && s.phase == good:
			return []state{s, {ended, math.MaxInt64}}
		case e.Answer != Yes && s.phase != good:
			return same
		}
	case Use:
		switch {
		case e.Answer == No: // a limit may also have rejected it
			return same
		case e.Answer == Yes && s.phase == fresh:
			return []state{{phase: ended}}
		case e.Answer == Unknown && s.phase == fresh:
			return []state{s, {phase: ended}}
		case e.Answer == Unknown:
			return same
		}
	}
	return nil
}

// tell lists the events of one key.
func tell(events []Event) string {
	const most = 40
	var b strings.Builder
	for i, e := range events {
		if i == most {
			fmt.Fprintf(&b, "\n  and %d more", len(events)-most)
			break
		}
		first := events[0].Sent
		fmt.Fprintf(&b, "\n  %8.3f s to %8.3f s  %-5s  %-7s  %s", e.Sent.Sub(first).Seconds(), e.Answered.Sub(first).Seconds(), e.Kind, e.Answer, e.Node)
	}
	return b.String()
}
