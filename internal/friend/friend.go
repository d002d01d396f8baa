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

// Errors that callers tell apart.
var (
	// ErrNotFound reports that the account knows nobody with the number.
	ErrNotFound = fault.New(fault.NotFound, "there is no such friend")
	// ErrNoInvitation reports that there is no such invitation, or no more.
	ErrNoInvitation = fault.New(fault.NotFound, "there is no such invitation")
	// ErrInvited reports that the same invitation waits already.
	ErrInvited = fault.New(fault.Exists, "this invitation was sent already")
	// ErrFriends reports that the two are friends already.
	ErrFriends = fault.New(fault.Exists, "this is a friend already")
	// ErrMany reports that MaxInvitations wait.
	ErrMany = fault.New(fault.Conflict, fmt.Sprintf("%d invitations wait for an answer: cancel one first", MaxInvitations))
	// ErrManaged reports that a managed user invites nobody.
	ErrManaged = fault.New(fault.Denied, "a managed user invites nobody")
)

// The bounds of invitations and lists.
const (
	// MaxInvitations is how many invitations of an account wait at most.
	MaxInvitations = 100
	// MaxFriends is how many friends a list has at most, and MaxReceived how many
	// invitations that were received, those with the lowest numbers.
	MaxFriends, MaxReceived = 1000, 100
	// maxInvited is how many bytes what is given for somebody has at most: as many as
	// an e-mail address.
	maxInvited = 254
)

// InvitedField is the field of an invalid name or address.
const InvitedField = "invited_email"

// Invitation waits for the consent of who is invited.
type Invitation struct {
	Number    int64     // among those of shares and invitations
	InviterID int64     // who invites
	AccountID int64     // who is invited; 0: nobody has the name
	Invited   string    // the name or address that was given
	Key       string    // that, folded
	SourceID  int64     // the server that will be shared; 0: it is about friendship alone
	Chosen    bool      // only the chosen sections will be, and else all of them
	CreatedAt time.Time // to the millisecond, UTC
}

// Friendship is a friend of an account.
type Friendship struct {
	AccountID int64     // the friend
	Since     time.Time // to the millisecond, UTC
}

// Rows is what a Service needs stored. Package store implements it. No cache holds
// what it writes.
type Rows interface {
	// Friends reads the friends of an account, in the order in which the accounts were
	// added, limit at most.
	Friends(ctx context.Context, q db.Querier, accountID int64, limit int) ([]Friendship, error)
	// AreFriends reports whether two accounts are friends.
	AreFriends(ctx context.Context, q db.Querier, a, b int64) (bool, error)
	// Know reports whether two accounts are friends, live in one home, or share a
	// server that one of them owns.
	Know(ctx context.Context, q db.Querier, a, b int64) (bool, error)
	// Befriend makes two accounts friends, and Unfriend ends that, if they are.
	Befriend(ctx context.Context, tx *db.Tx, a, b int64, at time.Time) error
	Unfriend(ctx context.Context, tx *db.Tx, a, b int64) error
	// Get returns an invitation: db.ErrNotFound.
	Get(ctx context.Context, q db.Querier, number int64) (Invitation, error)
	// Chosen returns the IDs of the chosen sections of an invitation, in their order.
	Chosen(ctx context.Context, q db.Querier, number int64) ([]int64, error)
	// Sent and Received read the invitations of an account by number, limit at most.
	Sent(ctx context.Context, q db.Querier, accountID int64, limit int) ([]Invitation, error)
	Received(ctx context.Context, q db.Querier, accountID int64, limit int) ([]Invitation, error)
	// Insert adds an invitation with its sections.
	Insert(ctx context.Context, tx *db.Tx, i Invitation, sections []int64) error
	// Choose replaces whether sections are chosen, and which: db.ErrNotFound.
	Choose(ctx context.Context, tx *db.Tx, i Invitation, sections []int64) error
	// Delete removes an invitation: db.ErrNotFound.
	Delete(ctx context.Context, tx *db.Tx, number int64) error
	// DeleteBetween removes the invitations of an account to another.
	DeleteBetween(ctx context.Context, tx *db.Tx, inviterID, accountID int64) error
}

// Config is what a Service stands on. All of it is required.
type Config struct {
	// DB is the database, and Rows its tables.
	DB   *db.DB
	Rows Rows
	// Accounts know each other, and Sources are what they share.
	Accounts *account.Service
	Sources  *source.Service
	// Audit is the log of what happens between them.
	Audit *audit.Log
}

// Service keeps friendships and invitations. It is safe for concurrent use.
type Service struct{ cfg Config }

// New returns a Service.
func New(cfg Config) *Service { return &Service{cfg} }

// Wish is what an account invites somebody to.
type Wish struct {
	// Name is the username or e-mail address of who is invited. Empty: AccountID is
	// somebody the account knows.
	Name      string
	AccountID int64
	// Server is the identifier of a server that the account owns, and Choice which
	// sections of it. Empty: friendship alone.
	Server string
	Choice source.Choice
}

// Invite invites somebody. If a managed user of the account's own home is meant,
// nothing waits: the share is returned with the number of the invitation that it would
// have been. fault.Invalid, ErrInvited, ErrFriends, ErrMany, ErrManaged, ErrNotFound,
// source.ErrShared, source.ErrNotFound, source.ErrOwner, source.ErrNoSection.
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

// checkName checks what is given for somebody. fault.Invalid.
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
			return Sent{}, ErrFriends // they live together
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

// find finds who is invited, if anybody, and completes the invitation.
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

// checkNew checks that an invitation is about something new, and not one too many.
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

// record records what happened to an invitation, and the sections if they are new, in
// a transaction. The log does not have the name of nobody.
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

// Accept accepts an invitation as the account that is invited: the two become
// friends, and the server is shared. ErrNoInvitation.
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

// AcceptFrom accepts every invitation of an account to another. ErrNoInvitation if
// it does not exist.
func (s *Service) AcceptFrom(ctx context.Context, by audit.Actor, accountID, inviterID int64) error {
	return s.cfg.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		list, err := s.cfg.Rows.Received(ctx, tx, accountID, MaxReceived)
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(i Invitation) bool { return i.InviterID != inviterID })
		if len(list) == 0 {
			return ErrNoInvitation
		}
		for _, i := range list {
			if err := s.accept(ctx, tx, by, i); err != nil {
				return err
			}
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
	chosen, err := s.cfg.Rows.Chosen(ctx, tx, i.Number)
	if err != nil {
		return err
	}
	// Its number becomes that of the share.
	if err := s.cfg.Rows.Delete(ctx, tx, i.Number); err != nil {
		return err
	}
	if i.SourceID != 0 {
		if _, err = s.cfg.Sources.OwnedIn(ctx, tx, i.InviterID, i.SourceID); err != nil {
			return fmt.Errorf("%w (%w)", ErrNoInvitation, err) // it is not theirs to share any more
		}
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

// End cancels an invitation as who sent it, or declines it as who received it.
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

// Choose replaces the sections of an invitation, as who sent it. If they are the same,
// nothing changes. ErrNoInvitation, source.ErrNoSection.
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

// Remove ends what is between an account and somebody it knows: the friendship, the
// shares of each one's servers with the other, with the tokens for them, and the
// invitations. ErrNotFound.
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

// invitedBy reports whether an account has an invitation of another.
func (s *Service) invitedBy(ctx context.Context, q db.Querier, accountID, inviterID int64) (bool, error) {
	list, err := s.cfg.Rows.Received(ctx, q, accountID, MaxReceived)
	return slices.ContainsFunc(list, func(i Invitation) bool { return i.InviterID == inviterID }), err
}

// Sent is an invitation that was sent, as who sent it may see it.
type Sent struct {
	Invitation
	Server   source.Source    // without its connections; the zero value without one
	Sections []source.Section // that will be shared
	Accepted bool             // it is a share by now
}

// Received is an invitation that was received.
type Received struct {
	Sent
	From account.Account
}

// Sent returns the invitations of an account that wait, by number.
func (s *Service) Sent(ctx context.Context, accountID int64) ([]Sent, error) {
	list, err := s.cfg.Rows.Sent(ctx, s.cfg.DB, accountID, MaxInvitations)
	if err != nil {
		return nil, err
	}
	all := make([]Sent, 0, len(list))
	for _, i := range list {
		sent, err := s.complete(ctx, i)
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

// Received returns the invitations that an account may accept, by number.
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
			continue // removed a moment ago
		}
		if err != nil {
			return nil, err
		}
		all = append(all, Received{sent, from})
	}
	return all, nil
}

// Person is somebody whom an account knows but for its home: a friend, or somebody
// with whom it shares a server.
type Person struct {
	Account account.Account
	Friend  bool            // a friend, since Since
	Since   time.Time       // to the millisecond, UTC
	Shares  []source.Shared // of the servers of who asks
	Waiting []Sent          // invitations of who asks
}

// People returns everybody whom an account knows but for its home, in the order in
// which the accounts were added.
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
			continue // an operator has shared an own server
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
		if p := people[i.AccountID]; p != nil { // an unknown one stays unknown
			p.Waiting = append(p.Waiting, i)
		}
	}
	list := make([]Person, 0, len(people))
	for id, p := range people {
		if p.Account, err = s.cfg.Accounts.Get(ctx, id); errors.Is(err, account.ErrNotFound) {
			continue // removed a moment ago
		} else if err != nil {
			return nil, err
		}
		list = append(list, *p)
	}
	slices.SortFunc(list, func(a, b Person) int { return cmp.Compare(a.Account.ID, b.Account.ID) })
	return list, nil
}
