package account

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
)

// OptOut is the choice of an account about a source of online media. usher has no such
// sources: it stores the choices for programs.
type OptOut struct {
	Source string // such as tv.plex.provider.vod
	Choice string // one of choices
}

// choices are the choices that PlexAPI knows.
var choices = []string{optIn, "opt_out", optOutManaged}

const (
	optIn         = "opt_in"
	optOutManaged = "opt_out_managed"
)

// music is the source that cannot be denied to managed users only (PlexAPI).
const music = "tv.plex.provider.music"

// onlineSources are the sources that are on by default (the names are from clients'
// sources; that there are no others is inferred).
var onlineSources = []string{"tv.plex.provider.discover", music, "tv.plex.provider.vod"}

const (
	maxOptOuts = 50
	maxSource  = 100
)

// OptOuts returns the choices of an account, by source.
func (s *Service) OptOuts(ctx context.Context, id int64) ([]OptOut, error) {
	list, err := s.rows.OptOuts(ctx, s.db, id)
	if err != nil {
		return nil, named("reading opt-outs", err)
	}
	list = slices.DeleteFunc(list, func(o OptOut) bool { return strings.Contains(o.Source, ":") })
	for _, source := range onlineSources {
		if !slices.ContainsFunc(list, func(o OptOut) bool { return o.Source == source }) {
			list = append(list, OptOut{source, optIn})
		}
	}
	slices.SortFunc(list, func(a, b OptOut) int { return strings.Compare(a.Source, b.Source) })
	return list, nil
}

// SetOptOut stores a choice of an account. Errors: fault.Invalid.
func (s *Service) SetOptOut(ctx context.Context, id int64, o OptOut) error {
	switch {
	case !slices.Contains(choices, o.Choice):
		return fault.Invalidf("value", "value is not one of %s", strings.Join(choices, ", "))
	case o.Source == "" || len(o.Source) > maxSource || strings.ContainsFunc(o.Source, notOfSource):
		return fault.Invalidf("key", "key is not the name of a source, such as tv.plex.provider.vod")
	case o.Source == music && o.Choice == optOutManaged:
		return fault.Invalidf("value", "value cannot be opt_out_managed for this source")
	}
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.rows.SetOptOut(ctx, tx, id, o); err != nil {
			return err
		}
		list, err := s.rows.OptOuts(ctx, tx, id)
		if err == nil && len(list) > maxOptOuts {
			err = fault.Invalidf("key", "an account has choices about %d sources at most", maxOptOuts)
		}
		return err
	})
	return named("setting an opt-out", err)
}

func notOfSource(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_')
}

// Consent is a question that programs ask a user, and whose answer they store in the
// account. The answer has no effect on usher, which collects and synchronises nothing.
// The names are stored among those of sources of online media, which contain no colon.
type Consent string

// The questions.
const (
	NoPlaybackStats Consent = "privacy:playback"
	NoLibraryStats  Consent = "privacy:library"
	ViewStateSync   Consent = "view-state-sync:consent"
)

// defaults are the answers of an account without stored ones.
var defaults = map[Consent]bool{NoPlaybackStats: true, NoLibraryStats: true}

// Consents returns the answers of an account.
func (s *Service) Consents(ctx context.Context, id int64) (map[Consent]bool, error) {
	list, err := s.rows.OptOuts(ctx, s.db, id)
	if err != nil {
		return nil, named("reading what an account consents to", err)
	}
	answers := maps.Clone(defaults)
	for _, o := range list {
		if strings.Contains(o.Source, ":") {
			answers[Consent(o.Source)] = o.Choice == yes
		}
	}
	return answers, nil
}

// yes and no are the stored forms of answers.
const yes, no = "yes", "no"

// SetConsents stores answers of an account.
func (s *Service) SetConsents(ctx context.Context, id int64, answers map[Consent]bool) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		for question, answer := range answers {
			o := OptOut{string(question), no}
			if answer {
				o.Choice = yes
			}
			if err := s.rows.SetOptOut(ctx, tx, id, o); err != nil {
				return err
			}
		}
		return nil
	})
	return named("storing what an account consents to", err)
}
