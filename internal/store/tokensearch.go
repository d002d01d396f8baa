package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/usher-auth/usher/internal/db"
	"github.com/usher-auth/usher/internal/paging"
	"github.com/usher-auth/usher/internal/token"
)

// searched is a text that a search for tokens compares the beginning of. The results are
// listed by the text, then by its object, then by the number of the token: an index has
// the first two, and an object with a text has few tokens.
//
// of is the column of a token that has the same value as id. Without it, a plan that reads
// the tokens in the order of their objects would begin with the first object.
type searched struct{ key, id, of string }

// searchedTexts are searched one after the other. A token is listed where it is found
// first.
var searchedTexts = [...]searched{
	{"LOWER(d.name)", "d.id", "t.device_id"},
	{"LOWER(d.product)", "d.id", "t.device_id"},
	{"a.username_key", "a.id", "t.account_id"},
}

// ofDevices is how many of them, the first ones, devices say of themselves. They are
// compared in another form than the names of accounts.
const ofDevices = 2

// begins is the condition that one of some texts is at least one parameter, and less than
// another.
func begins(texts []searched, first, end string) string {
	terms := make([]string, len(texts))
	for i, s := range texts {
		terms[i] = fmt.Sprintf("%[1]s >= %[2]s AND %[1]s < %[3]s", s.key, first, end)
	}
	return "(" + strings.Join(terms, " OR ") + ")"
}

// Search implements token.Rows.
func (Tokens) Search(
	ctx context.Context, q db.Querier, text token.SearchText, accountID int64, r paging.Request,
) (paging.List[token.Token], error) {
	device := lower(text.Device)
	if accountID != 0 { // one account has few
		condition := begins(searchedTexts[:ofDevices], "$1", "$2") + " AND t.account_id = $3"
		return tokens.page(ctx, q, r, condition, device, device+lastRune, accountID)
	}
	s := tokenSearch{q: q, prefix: [...]string{device, device, text.Username}, limit: r.Max()}
	from := r.After
	if from == "" && r.Before != "" {
		from, s.back = r.Before, true
	}
	at, known := s.place(from)
	if !known {
		at, s.back = foundAt{}, false
	}
	list, err := s.read(ctx, at)
	if err != nil {
		return paging.List[token.Token]{}, fmt.Errorf("searching tokens: %w", err)
	}
	found := paging.Cut(list, r, s.back, known, func(f foundToken) paging.Cursor { return f.at.cursor() })
	l := paging.List[token.Token]{Next: found.Next, Previous: found.Previous, Restarted: found.Restarted}
	for _, f := range found.Rows {
		l.Rows = append(l.Rows, f.Token)
	}
	return l, nil
}

// tokenSearch is a search among the tokens of all accounts.
type tokenSearch struct {
	q      db.Querier
	prefix [len(searchedTexts)]string
	limit  int
	back   bool
}

// foundAt is the position of a token in the results of a search. With the number 0, it is before
// the first token that is found by a text or, when reading back, after the last one.
type foundAt struct {
	index       int // of the text
	key         string
	id, tokenID int64
}

// foundToken is a token that was found.
type foundToken struct {
	token.Token
	at foundAt
}

// place reads a cursor.
func (s tokenSearch) place(c paging.Cursor) (at foundAt, ok bool) {
	values, ok := c.Values(4)
	if !ok {
		return at, false
	}
	index, isIndex := values[0].(int64)
	key, isKey := values[1].(string)
	id, isID := values[2].(int64)
	number, isNumber := values[3].(int64)
	if !isIndex || !isKey || !isID || !isNumber || index < 0 || index >= int64(len(s.prefix)) || number == 0 {
		return at, false
	}
	return foundAt{int(index), key, id, number}, strings.HasPrefix(key, s.prefix[index])
}

// read reads a page of tokens from a place on, and one more if there is one.
func (s tokenSearch) read(ctx context.Context, at foundAt) (list []foundToken, err error) {
	step := 1
	if s.back {
		step = -1
	}
	for ; at.index >= 0 && at.index < len(s.prefix) && len(list) <= s.limit; at = (foundAt{index: at.index + step}) {
		part, err := s.readBy(ctx, at, s.limit+1-len(list))
		if err != nil {
			return nil, err
		}
		list = append(list, part...)
	}
	return list, nil
}

// readBy reads the tokens that are found by one text and by none before it: first the rest
// of those with the same text as the position, then those with others. As one condition, that
// would not be a range of the index.
func (s tokenSearch) readBy(ctx context.Context, at foundAt, limit int) (list []foundToken, err error) {
	of, prefix := searchedTexts[at.index], s.prefix[at.index]
	end := prefix + lastRune
	condition, args := "%[1]s >= $2 AND %[1]s < $3", []any{prefix, end}
	if at.tokenID != 0 {
		same := "%[1]s = $2 AND %[2]s >= $3 AND %[3]s >= $3 AND (%[2]s, t.id) > ($3, $4)"
		condition, args = "%[1]s > $2 AND %[1]s < $3", []any{at.key, end}
		if s.back {
			same = "%[1]s = $2 AND %[2]s <= $3 AND %[3]s <= $3 AND (%[2]s, t.id) < ($3, $4)"
			condition, args = "%[1]s >= $2 AND %[1]s < $3", []any{prefix, at.key}
		}
		list, err = s.query(ctx, at.index, fmt.Sprintf(same, of.key, of.id, of.of), []string{of.id, "t.id"}, limit, at.key, at.id, at.tokenID)
	}
	if err != nil || len(list) == limit {
		return list, err
	}
	rest, err := s.query(ctx, at.index, fmt.Sprintf(condition, of.key), []string{of.key, of.id, "t.id"}, limit-len(list), args...)
	return append(list, rest...), err
}

// query reads the tokens for which a condition on a text holds, and that no text before it
// finds, in an order. The parameters of the condition begin with $2.
func (s tokenSearch) query(
	ctx context.Context, index int, condition string, order []string, limit int, args ...any,
) ([]foundToken, error) {
	of, direction := searchedTexts[index], "ASC"
	if s.back {
		direction = "DESC"
	}
	args = append([]any{limit}, args...)
	if index > 0 {
		first, last := fmt.Sprintf("$%d", len(args)+1), fmt.Sprintf("$%d", len(args)+2)
		condition += " AND NOT " + begins(searchedTexts[:min(index, ofDevices)], first, last)
		args = append(args, s.prefix[0], s.prefix[0]+lastRune)
	}
	text := fmt.Sprintf("SELECT %s, %sWHERE %s ORDER BY %s %s LIMIT $1", of.key,
		strings.TrimPrefix(selectToken, "SELECT "), condition, strings.Join(order, " "+direction+", "), direction)
	rows, err := s.q.Query(ctx, text, args...)
	return collect(rows, err, func(row scanner) (f foundToken, err error) {
		f.at.index = index
		if f.Token, err = scanToken(after{row, &f.at.key}); err != nil {
			return f, err
		}
		f.at.id, f.at.tokenID = f.Device.ID, f.ID
		if index >= ofDevices {
			f.at.id = f.AccountID
		}
		return f, nil
	})
}

// after scans the columns after the first one of a row.
type after struct {
	row   scanner
	first any
}

func (a after) Scan(dest ...any) error { return a.row.Scan(append([]any{a.first}, dest...)...) }

func (at foundAt) cursor() paging.Cursor {
	return paging.NewCursor(int64(at.index), at.key, at.id, at.tokenID)
}
