package friend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/usher-auth/usher/internal/account"
	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/fault"
	"github.com/usher-auth/usher/internal/source"
)

// Errors that callers distinguish.
var (
	// ErrNotFound reports that the account does not know an account with the number.
	ErrNotFound = fault.New(fault.NotFound, "there is no such friend")
	// ErrNoInvitation reports that there is no such pending invitation.
	ErrNoInvitation = fault.New(fault.NotFound, "there is no such invitation")
	// ErrInvited reports that the same invitation is already pending.
	ErrInvited = fault.New(fault.Exists, "this invitation was sent already")
	// ErrFriends reports that the two accounts are already friends.
	ErrFriends = fault.New(fault.Exists, "this is a friend already")
	// ErrMany reports that the account has MaxInvitations pending invitations.
	ErrMany = fault.New(fault.Conflict, fmt.Sprintf("%d invitations wait for an answer: cancel one first", MaxInvitations))
	// ErrManaged reports that managed users cannot invite.
	ErrManaged = fault.New(fault.Denied, "a managed user invites nobody")
)

// The limits of invitations and lists.
const (
	// MaxInvitations is the maximum number of pending invitations that an account has
	// sent.
	MaxInvitations = 100
	// MaxFriends is the maximum number of friends in a list. MaxReceived is the maximum
	// number of received invitations in a list: those with the lowest numbers.
	MaxFriends, MaxReceived = 1000, 100
	// maxInvited is the maximum length of an invited name or address, in bytes: that of
	// an e-mail address.
	maxInvited = 254
)

// InvitedField is the field of an invalid name or address.
const InvitedField = "invited_email"

// Invitation is a pending invitation.
type Invitation struct {
	Number    int64     // from the series that shares and invitations have in common
	InviterID int64     // the sender
	AccountID int64     // the invited account; 0: no account has the name
	Invited   string    // the name or address that was given
	Key       string    // Invited, folded
	SourceID  int64     // the server to share; 0: friendship only
	Chosen    bool      // share only the chosen sections, otherwise all
	CreatedAt time.Time // to the millisecond, UTC
}

// Friendship is a friend of an account.
type Friendship struct {
	AccountID int64     // the friend
	Since     time.Time // to the millisecond, UTC
}

// Rows is the storage of a Service. Package store implements it. Its rows are not
// cached.
type Rows interface {
	// Friends reads the friends of an account, at most limit, in the order in which the
	// accounts were added.
	Friends(ctx context.Context, q db.Querier, accountID int64, limit int) ([]Friendship, error)
	// AreFriends reports whether two accounts are friends.
	AreFriends(ctx context.Context, q db.Querier, a, b int64) (bool, error)
	// Know reports whether two accounts are friends, are in the same home, or share a
	// server that one of them owns.
	Know(ctx context.Context, q db.Querier, a, b int64) (bool, error)
	// Befriend makes two accounts friends. Unfriend ends a friendship, if there is one.
	Befriend(ctx context.Context, tx *db.Tx, a, b int64, at time.Time) error
	Unfriend(ctx context.Context, tx *db.Tx, a, b int64) error
	// Get returns an invitation, or db.ErrNotFound.
	Get(ctx context.Context, q db.Querier, number int64) (Invitation, error)
	// Chosen returns the IDs of the chosen sections of an invitation, in their order.
	Chosen(ctx context.Context, q db.Querier, number int64) ([]int64, error)
	// Sent and Received read the invitations that an account has sent or received, by
	// number, at most limit.
	Sent(ctx context.Context, q db.Querier, accountID int64, limit int) ([]Invitation, error)
	Received(ctx context.Context, q db.Querier, accountID int64, limit int) ([]Invitation, error)
	// Insert adds an invitation with its chosen sections.
	Insert(ctx context.Context, tx *db.Tx, i Invitation, sections []int64) error
	// Choose replaces the chosen sections of an invitation. The error is db.ErrNotFound
	// if it does not exist.
	Choose(ctx context.Context, tx *db.Tx, i Invitation, sections []int64) error
	// Delete removes an invitation. The error is db.ErrNotFound if it does not exist.
	Delete(ctx context.Context, tx *db.Tx, number int64) error
	// DeleteBetween removes the invitations from an account to another.
	DeleteBetween(ctx context.Context, tx *db.Tx, inviterID, accountID int64) error
}

// Config configures a Service. All fields are required.
type Config struct {
	// DB is the database, and Rows its tables.
	DB   *db.DB
	Rows Rows
	// Accounts manages the accounts, and Sources the servers that they share.
	Accounts *account.Service
	Sources  *source.Service
	// Audit is the audit log.
	Audit *audit.Log
}

// Service manages friendships and invitations. It is safe for concurrent use.
type Service struct{ cfg Config }

// New returns a Service.
func New(cfg Config) *Service { return &Service{cfg} }

// Wish describes an invitation to send.
type Wish struct {
	// Name is the username or e-mail address of the invited account. If it is empty,
	// AccountID is an account that the sender knows.
	Name      string
	AccountID int64
	// Server is the identifier of a server that the sender owns, and Choice the
	// sections to share. If it is empty, the invitation is to a friendship only.
	Server string
	Choice source.Choice
}

// Invite sends an invitation. If the invited account is a managed user of the sender's
// own home, the server is shared immediately, and the share is returned with the number
// that the invitation would have had. Errors: fault.Invalid, ErrInvited, ErrFriends,
// ErrMany, ErrManaged, ErrNotFound, source.ErrShared, source.ErrNotFound,
// source.ErrOwner, source.ErrNoSection.
func (s *Service) Invite(ctx context.Context, by audit.Actor, inviterID int64, w Wish) (sent Sent, err error) {
	if w.Name, err = checkName(w.Name); err != nil {
		return Sent{}, err
	}
	if w.Name == "" && w.AccountID == 0 {
		return Sent{}, fault.Invalidf(InvitedField, "%s is missing", InvitedField)
	}
	var src source.Source
	if w.Server != "" {
		if src, err = s.cfg.Sources.OwnServer(ctx, inviterID, w.Server); err != nil {
			return Sent{}, err
		}
	}
	err = s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		sent, err = s.invite(ctx, tx, by, inviterID, src, w)
		return err
	})
	return sent, db.Wrap("inviting somebody", err)
}

// checkName validates the name or address of an invited account. Errors: fault.Invalid.
func checkName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if len(name) > maxInvited || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", fault.Invalidf(InvitedField, "%s is longer than %d bytes, or has a control character in it", InvitedField, maxInvited)
	}
	return name, nil
}

// invite is Invite in a transaction.
func (s *Service) invite(
	ctx context.Context, tx *db.Tx, by audit.Actor, inviterID int64, src source.Source, w Wish,
) (Sent, error) {
	inviter, err := s.cfg.Accounts.Active(ctx, tx, inviterID)
	if err != nil {
		return Sent{}, err
	}
	if inviter.Managed() {
		return Sent{}, ErrManaged
	}
	if src.ID != 0 {
		if _, err := s.cfg.Sources.OwnedIn(ctx, tx, inviterID, src.ID); err != nil {
			return Sent{}, err
		}
		if err := s.cfg.Sources.CheckChoice(ctx, tx, src.ID, w.Choice); err != nil {
			return Sent{}, err
		}
	}
	i := Invitation{InviterID: inviterID, SourceID: src.ID, Chosen: w.Choice.Some, CreatedAt: tx.Now()}
	who, err := s.find(ctx, tx, inviter, w, &i)
	if err != nil {
		return Sent{}, err
	}
	if who.ID == inviterID {
		return Sent{}, fault.Invalidf(InvitedField, "%s is the account that invites", InvitedField)
	}
	if err := s.checkNew(ctx, tx, i); err != nil {
		return Sent{}, err
	}
	if who.Managed() {
		if src.ID == 0 {
			return Sent{}, ErrFriends // they are in the same home
		}
		h, err := s.cfg.Sources.ShareIn(ctx, tx, by, source.Share{SourceID: src.ID, AccountID: who.ID}, w.Choice)
		i.Number = h.Number
		return Sent{Invitation: i, Server: src, Accepted: true}, err
	}
	if i.Number, err = s.cfg.Sources.NewNumber(ctx, tx); err != nil {
		return Sent{}, err
	}
	if err := s.cfg.Rows.Insert(ctx, tx, i, w.Choice.Sections); err != nil {
		return Sent{}, err
	}
	return Sent{Invitation: i, Server: src}, s.record(ctx, tx, by, audit.InvitationSent, i, w.Choice)
}

// find finds the invited account, if there is one, and completes the invitation.
func (s *Service) find(
	ctx context.Context, tx *db.Tx, inviter account.Account, w Wish, i *Invitation,
) (who account.Account, err error) {
	if w.Name != "" {
		who, i.Key, err = s.cfg.Accounts.FindIn(ctx, tx, w.Name)
		if errors.Is(err, account.ErrNotFound) {
			err = nil
		}
		i.AccountID, i.Invited = who.ID, w.Name
		return who, err
	}
	who, err = s.cfg.Accounts.GetIn(ctx, tx, w.AccountID)
	if err == nil && who.ID != inviter.ID && (!who.Managed() || who.OwnerID != inviter.ID) {
		var known bool
		if known, err = s.cfg.Rows.Know(ctx, tx, inviter.ID, who.ID); err == nil && (!known || who.Managed()) {
			err = ErrNotFound
		}
	}
	if errors.Is(err, account.ErrNotFound) {
		err = ErrNotFound
	}
	i.AccountID, i.Invited, i.Key = who.ID, who.Username, who.UsernameKey
	return who, err
}

// checkNew checks that an invitation would change something, and that the sender may
// have another one.
func (s *Service) checkNew(ctx context.Context, tx *db.Tx, i Invitation) error {
	waiting, err := s.cfg.Rows.Sent(ctx, tx, i.InviterID, MaxInvitations)
	switch {
	case err != nil:
		return err
	case slices.ContainsFunc(waiting, func(w Invitation) bool { return w.SourceID == i.SourceID && w.Key == i.Key }):
		return ErrInvited
	case len(waiting) >= MaxInvitations:
		return ErrMany
	case i.AccountID == 0:
		return nil
	case i.SourceID != 0:
		return s.cfg.Sources.CheckNotShared(ctx, tx, i.SourceID, i.AccountID)
	}
	if friends, err := s.cfg.Rows.AreFriends(ctx, tx, i.InviterID, i.AccountID); err != nil || !friends {
		return err
	}
	return ErrFriends
}

// record records an event of an invitation in a transaction, with the sections if they
// are new. It omits a name that no account has.
func (s *Service) record(ctx context.Context, tx *db.Tx, by audit.Actor, kind audit.Kind, i Invitation, c source.Choice) error {
	about := fmt.Sprintf("account %d invites a friend", i.InviterID)
	if i.SourceID != 0 {
		src, err := s.cfg.Sources.ByID(ctx, tx, i.SourceID)
		if err != nil {
			return err
		}
		about = fmt.Sprintf("account %d invites to %s%s", i.InviterID, src.Name, c)
	}
	return s.cfg.Audit.Record(ctx, tx, by, audit.Event{Kind: kind, AccountID: i.AccountID, Detail: about})
}

// Accept accepts an invitation as the invited account: the two become friends, and the
// server is shared. Errors: ErrNoInvitation.
func (s *Service) Accept(ctx context.Context, by audit.Actor, accountID, number int64) error {
	return s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		i, err := s.cfg.Rows.Get(ctx, tx, number)
		if errors.Is(err, db.ErrNotFound) || err == nil && i.AccountID != accountID {
			return ErrNoInvitation
		}
		if err != nil {
			return err
		}
		return s.accept(ctx, tx, by, i)
	})
}

// AcceptFrom accepts every invitation from an account to another. The error is
// ErrNoInvitation if there is none.
func (s *Service) AcceptFrom(ctx context.Context, by audit.Actor, accountID, inviterID int64) error {
	return s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		list, err := s.cfg.Rows.Received(ctx, tx, accountID, MaxReceived)
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(i Invitation) bool { return i.InviterID != inviterID })
		accepted := 0
		for _, i := range list {
			// An invitation to a server that has another owner now does not affect the others.
			if err := s.accept(ctx, tx, by, i); err == nil {
				accepted++
			} else if !errors.Is(err, ErrNoInvitation) {
				return err
			}
		}
		if accepted == 0 {
			return ErrNoInvitation
		}
		return nil
	})
}

func (s *Service) accept(ctx context.Context, tx *db.Tx, by audit.Actor, i Invitation) error {
	for _, id := range []int64{i.AccountID, i.InviterID} {
		if _, err := s.cfg.Accounts.Active(ctx, tx, id); errors.Is(err, account.ErrNotFound) {
			return ErrNoInvitation
		} else if err != nil {
			return err
		}
	}
	if i.SourceID != 0 {
		_, err := s.cfg.Sources.OwnedIn(ctx, tx, i.InviterID, i.SourceID)
		if errors.Is(err, source.ErrNotFound) || errors.Is(err, source.ErrOwner) {
			return fmt.Errorf("%w (%w)", ErrNoInvitation, err) // it is not theirs to share any more
		}
		if err != nil {
			return err
		}
	}
	chosen, err := s.cfg.Rows.Chosen(ctx, tx, i.Number)
	if err != nil {
		return err
	}
	// Its number becomes the number of the share.
	if err := s.cfg.Rows.Delete(ctx, tx, i.Number); err != nil {
		return err
	}
	if i.SourceID != 0 {
		h := source.Share{Number: i.Number, SourceID: i.SourceID, AccountID: i.AccountID}
		_, err := s.cfg.Sources.ShareIn(ctx, tx, by, h, source.Choice{Some: i.Chosen, Sections: chosen})
		if err != nil && !errors.Is(err, source.ErrShared) { // an operator may have shared it meanwhile
			return err
		}
	}
	if err := s.cfg.Rows.Befriend(ctx, tx, i.InviterID, i.AccountID, tx.Now()); err != nil {
		return err
	}
	return s.record(ctx, tx, by, audit.InvitationAccepted, i, source.Choice{})
}

// End cancels an invitation as its sender, or declines it as its recipient. Errors:
// ErrNoInvitation.
func (s *Service) End(ctx context.Context, by audit.Actor, as, number int64) error {
	return s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		i, err := s.cfg.Rows.Get(ctx, tx, number)
		if errors.Is(err, db.ErrNotFound) || err == nil && i.InviterID != as && i.AccountID != as {
			return ErrNoInvitation
		}
		if err != nil {
			return err
		}
		if err := s.cfg.Rows.Delete(ctx, tx, number); err != nil {
			return err
		}
		return s.record(ctx, tx, by, audit.InvitationEnded, i, source.Choice{})
	})
}

// Choose replaces the sections of an invitation, as its sender. If they are the same,
// nothing changes. Errors: ErrNoInvitation, source.ErrNoSection.
func (s *Service) Choose(ctx context.Context, by audit.Actor, as, number int64, c source.Choice) error {
	return s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		i, err := s.cfg.Rows.Get(ctx, tx, number)
		if errors.Is(err, db.ErrNotFound) || err == nil && (i.InviterID != as || i.SourceID == 0) {
			return ErrNoInvitation
		}
		if err != nil {
			return err
		}
		if err := s.cfg.Sources.CheckChoice(ctx, tx, i.SourceID, c); err != nil {
			return err
		}
		before, err := s.cfg.Rows.Chosen(ctx, tx, number)
		if err != nil || c.Same(source.Choice{Some: i.Chosen, Sections: before}) {
			return err
		}
		i.Chosen = c.Some
		if err := s.cfg.Rows.Choose(ctx, tx, i, c.Sections); err != nil {
			return err
		}
		return s.record(ctx, tx, by, audit.InvitationSent, i, c)
	})
}

// Remove ends the relations between an account and one that it knows: the friendship,
// the shares of each one's servers with the other, the tokens for them, and the
// invitations. Errors: ErrNotFound.
func (s *Service) Remove(ctx context.Context, by audit.Actor, accountID, otherID int64) error {
	return s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		known, err := s.cfg.Rows.Know(ctx, tx, accountID, otherID)
		if err == nil && !known {
			known, err = s.invitedBy(ctx, tx, accountID, otherID)
		}
		if err != nil {
			return err
		}
		if !known || accountID == otherID {
			return ErrNotFound
		}
		for _, pair := range [][2]int64{{accountID, otherID}, {otherID, accountID}} {
			if err := s.cfg.Sources.UnshareAllIn(ctx, tx, by, pair[0], pair[1]); err != nil {
				return err
			}
			if err := s.cfg.Rows.DeleteBetween(ctx, tx, pair[0], pair[1]); err != nil {
				return err
			}
		}
		friends, err := s.cfg.Rows.AreFriends(ctx, tx, accountID, otherID)
		if err != nil || !friends {
			return err
		}
		if err := s.cfg.Rows.Unfriend(ctx, tx, accountID, otherID); err != nil {
			return err
		}
		return s.cfg.Audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.FriendRemoved, AccountID: otherID, Detail: fmt.Sprintf("of account %d", accountID),
		})
	})
}

// invitedBy reports whether an account has an invitation from another.
func (s *Service) invitedBy(ctx context.Context, q db.Querier, accountID, inviterID int64) (bool, error) {
	list, err := s.cfg.Rows.Received(ctx, q, accountID, MaxReceived)
	return slices.ContainsFunc(list, func(i Invitation) bool { return i.InviterID == inviterID }), err
}

// Sent is an invitation from the point of view of its sender.
type Sent struct {
	Invitation
	Server   source.Source    // without its connections; the zero value without one
	Sections []source.Section // the sections to share
	Accepted bool             // it has become a share
}

// Received is an invitation from the point of view of its recipient.
type Received struct {
	Sent
	From account.Account
}

// Sent returns the pending invitations that an account has sent, by number.
func (s *Service) Sent(ctx context.Context, accountID int64) ([]Sent, error) {
	list, err := s.cfg.Rows.Sent(ctx, s.cfg.DB, accountID, MaxInvitations)
	if err != nil {
		return nil, err
	}
	all := make([]Sent, 0, len(list))
	for _, i := range list {
		sent, err := s.complete(ctx, i)
		if errors.Is(err, source.ErrNotFound) {
			continue // removed a moment ago
		}
		if err != nil {
			return nil, err
		}
		all = append(all, sent)
	}
	return all, nil
}

// complete adds the server and the sections to an invitation.
func (s *Service) complete(ctx context.Context, i Invitation) (Sent, error) {
	sent := Sent{Invitation: i}
	if i.SourceID == 0 {
		return sent, nil
	}
	src, err := s.cfg.Sources.ByID(ctx, s.cfg.DB, i.SourceID)
	if err != nil {
		return sent, err
	}
	sent.Server = src
	if sent.Sections, err = s.cfg.Sources.Sections(ctx, i.SourceID); err != nil || !i.Chosen {
		return sent, err
	}
	chosen, err := s.cfg.Rows.Chosen(ctx, s.cfg.DB, i.Number)
	sent.Sections = source.Pick(sent.Sections, chosen)
	return sent, err
}

// Received returns the invitations that an account can accept, by number.
func (s *Service) Received(ctx context.Context, accountID int64) ([]Received, error) {
	list, err := s.cfg.Rows.Received(ctx, s.cfg.DB, accountID, MaxReceived)
	if err != nil {
		return nil, err
	}
	all := make([]Received, 0, len(list))
	for _, i := range list {
		from, err := s.cfg.Accounts.Active(ctx, s.cfg.DB, i.InviterID)
		if errors.Is(err, account.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		sent, err := s.complete(ctx, i)
		if errors.Is(err, source.ErrNotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		all = append(all, Received{sent, from})
	}
	return all, nil
}

// Person is an account that another one knows from outside its home: a friend, or an
// account with which it shares a server.
type Person struct {
	Account account.Account
	Friend  bool            // a friend, since Since
	Since   time.Time       // to the millisecond, UTC
	Shares  []source.Shared // of the asking account's servers
	Waiting []Sent          // the asking account's invitations
}

// People returns the accounts that an account knows from outside its home, in the order
// in which they were added.
func (s *Service) People(ctx context.Context, accountID int64) ([]Person, error) {
	people := make(map[int64]*Person)
	friends, err := s.cfg.Rows.Friends(ctx, s.cfg.DB, accountID, MaxFriends)
	if err != nil {
		return nil, err
	}
	for _, f := range friends {
		people[f.AccountID] = &Person{Friend: true, Since: f.Since}
	}
	shares, err := s.cfg.Sources.SharesBy(ctx, accountID)
	if err != nil {
		return nil, err
	}
	for _, h := range shares {
		if h.AccountID == accountID {
			continue // an operator shared a server with its own owner
		}
		if people[h.AccountID] == nil {
			people[h.AccountID] = &Person{}
		}
		p := people[h.AccountID]
		p.Shares = append(p.Shares, h)
	}
	sent, err := s.Sent(ctx, accountID)
	if err != nil {
		return nil, err
	}
	for _, i := range sent {
		if p := people[i.AccountID]; p != nil { // an unknown account must not be revealed
			p.Waiting = append(p.Waiting, i)
		}
	}
	list := make([]Person, 0, len(people))
	for id, p := range people {
		if p.Account, err = s.cfg.Accounts.Get(ctx, id); errors.Is(err, account.ErrNotFound) {
			continue // removed meanwhile
		} else if err != nil {
			return nil, err
		}
		list = append(list, *p)
	}
	slices.SortFunc(list, func(a, b Person) int { return cmp.Compare(a.Account.ID, b.Account.ID) })
	return list, nil
}
