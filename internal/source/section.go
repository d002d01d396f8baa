package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/glyph"
)

// Section is a library of a server. usher has no media: programs show the title, and
// share the section by its ID. The media server enforces shares of some sections.
type Section struct {
	ID        int64     // unique among all servers, and never reused; 0 before it is stored
	Number    int       // at the server; clients call it the key
	Title     string    // the display name
	Kind      string    // one of SectionKinds
	CreatedAt time.Time // to the millisecond, UTC
}

// SectionKinds are the kinds of media that a section can contain, in the terms of media
// servers.
var SectionKinds = []string{"movie", "show", "artist", "photo"}

// The limits of sections.
const (
	// MaxSections is the maximum number of sections of a server.
	MaxSections = 100
	// maxTitle is the maximum length of a title, in characters.
	maxTitle = 100
	// maxNumber is the largest number: clients decode it into 32 bits.
	maxNumber = 1<<31 - 1
)

// Errors of sections that callers tell apart.
var (
	// ErrNoSection reports that the server has no such section.
	ErrNoSection = fault.New(fault.NotFound, "this server has no such section")
	// ErrSectionExists reports that the server has a section with the name or number.
	ErrSectionExists = fault.New(fault.Exists, "this server has a section with this name or number already")
	// ErrManySections reports that the server has MaxSections.
	ErrManySections = fault.New(fault.Conflict, fmt.Sprintf("this server has %d sections, and can have no more", MaxSections))
)

// The fields of an invalid section.
const (
	sectionName   = "name"
	sectionNumber = "number"
	sectionType   = "type"
)

// SectionRows is the storage of sections. Package store implements it. Every change
// announces the source.
type SectionRows interface {
	// List reads the sections of a source by number.
	List(ctx context.Context, q db.Querier, sourceID int64) ([]Section, error)
	// Insert adds a section and returns its ID. The error is db.ErrConflict if the
	// source has one with the same number, or with the same title in any case.
	Insert(ctx context.Context, tx *db.Tx, sourceID int64, s Section) (id int64, err error)
	// Delete removes a section of a source, also from shares. The error is
	// db.ErrNotFound if there is no such section.
	Delete(ctx context.Context, tx *db.Tx, sourceID, id int64) error
}

// Sections returns the sections of a server by number.
func (s *Service) Sections(ctx context.Context, serverID int64) ([]Section, error) {
	list, err := s.cfg.Sections.List(ctx, s.cfg.DB, serverID)
	return list, named("listing sections", err)
}

// AddSection adds a section to a server. If its number is 0, it gets the next free one.
// Errors: fault.Invalid, ErrSectionExists, ErrManySections, ErrNotFound.
func (s *Service) AddSection(ctx context.Context, by audit.Actor, src Source, sec Section) (Section, error) {
	if err := checkSection(&sec); err != nil {
		return sec, err
	}
	err := s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if _, err := s.cfg.Rows.Candidate(ctx, tx, src.ID, 0); err != nil {
			return err
		}
		have, err := s.cfg.Sections.List(ctx, tx, src.ID)
		if err != nil {
			return err
		}
		if len(have) >= MaxSections {
			return ErrManySections
		}
		if sec.Number == 0 {
			sec.Number = freeNumber(have)
		}
		sec.CreatedAt = tx.Now()
		if sec.ID, err = s.cfg.Sections.Insert(ctx, tx, src.ID, sec); err != nil {
			return err
		}
		return s.cfg.Audit.Record(ctx, tx, by, audit.Event{Kind: audit.SectionAdded, Detail: sec.Title + ", " + src.Name})
	})
	if errors.Is(err, db.ErrConflict) {
		return sec, fmt.Errorf("%w (%w)", ErrSectionExists, err)
	}
	return sec, named("adding a section", err)
}

// freeNumber returns the lowest free number. The sections are ordered by number.
func freeNumber(have []Section) int {
	n := 1
	for _, s := range have {
		if s.Number == n {
			n++
		}
	}
	return n
}

// checkSection validates a section, and trims its title. Errors: fault.Invalid.
func checkSection(s *Section) error {
	title := strings.Join(strings.Fields(s.Title), " ")
	switch {
	case title == "":
		return fault.Invalidf(sectionName, "the name of the section is empty")
	case !utf8.ValidString(title), strings.ContainsFunc(title, unicode.IsControl), glyph.HasInvisible(title):
		return fault.Invalidf(sectionName, "the name of the section has an invisible character")
	case utf8.RuneCountInString(title) > maxTitle:
		return fault.Invalidf(sectionName, "the name of the section is longer than %d characters", maxTitle)
	case s.Number < 0 || s.Number > maxNumber:
		return fault.Invalidf(sectionNumber, "the number of a section is from 1 to %d", maxNumber)
	}
	s.Title = title
	if s.Kind == "" {
		s.Kind = SectionKinds[0]
	}
	if !slices.Contains(SectionKinds, s.Kind) {
		return fault.Invalidf(sectionType, "the type of a section is %s", strings.Join(SectionKinds, ", "))
	}
	return nil
}

// RemoveSection removes a section of a server by name, in any case. Accounts that had
// access to this section only keep access to the server, without a section. Errors:
// ErrNoSection.
func (s *Service) RemoveSection(ctx context.Context, by audit.Actor, src Source, title string) (Section, error) {
	title = strings.TrimSpace(title)
	return s.removeSection(ctx, by, src, func(sec Section) bool { return strings.EqualFold(sec.Title, title) })
}

// RemoveSectionByID is RemoveSection for the section with an ID.
func (s *Service) RemoveSectionByID(ctx context.Context, by audit.Actor, src Source, id int64) (Section, error) {
	return s.removeSection(ctx, by, src, func(sec Section) bool { return sec.ID == id })
}

func (s *Service) removeSection(ctx context.Context, by audit.Actor, src Source, is func(Section) bool) (Section, error) {
	var gone Section
	err := s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		have, err := s.cfg.Sections.List(ctx, tx, src.ID)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(have, is)
		if i < 0 {
			return ErrNoSection
		}
		gone = have[i]
		if err := s.cfg.Sections.Delete(ctx, tx, src.ID, gone.ID); err != nil {
			return err
		}
		return s.cfg.Audit.Record(ctx, tx, by, audit.Event{Kind: audit.SectionRemoved, Detail: gone.Title + ", " + src.Name})
	})
	return gone, named("removing a section", err)
}
