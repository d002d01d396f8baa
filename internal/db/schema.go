package db

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// A table is a table of the schema, as the engine describes it.
type table struct {
	name    string
	columns []string
	// key is the primary key: indexes of columns.
	key []int
	// parent is the index of the column that refers to a row of the same table; -1 if
	// no column does.
	parent int
	// refers are the other tables that its rows refer to.
	refers []string
	// counted: the engine gives out the numbers of its key, and none of them twice.
	counted bool
	// numbered: its key is a number. If the table is not counted, SQLite can assign a free
	// number to another row, and PostgreSQL does not.
	numbered bool
}

// own are the tables that belong to one database and to no other: they are not copied.
var own = []string{"schema_version", "schema_expansion", "change", "move"}

// readSchema returns the tables that the migrations create, except for those of this
// package. Referenced tables come first.
func readSchema(ctx context.Context, migrations fs.FS) (list []table, err error) {
	d, err := Open(ctx, Config{Migrations: migrations})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	list, err = readTables(ctx, d)
	if err == nil {
		err = readReferences(ctx, d, list)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the schema: %w", err)
	}
	return inOrder(list)
}

// readTables reads the tables of a SQLite database without their references.
func readTables(ctx context.Context, q Querier) (list []table, err error) {
	rows, err := q.Query(ctx, `SELECT m.name, c.name, c.pk, c.type = 'INTEGER', m.sql LIKE '%AUTOINCREMENT%'
		FROM sqlite_schema m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY m.name, c.cid`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	places := make(map[string]int) // of the key's columns in the key
	for rows.Next() {
		var name, column string
		var place int
		var number, counted bool
		if err := rows.Scan(&name, &column, &place, &number, &counted); err != nil {
			return nil, err
		}
		if slices.Contains(own, name) {
			continue
		}
		if len(list) == 0 || list[len(list)-1].name != name {
			list = append(list, table{name: name, parent: -1, counted: counted})
		}
		t := &list[len(list)-1]
		if place > 0 {
			places[name+" "+column] = place
			t.key = append(t.key, len(t.columns))
			t.numbered = number && len(t.key) == 1
		}
		t.columns = append(t.columns, column)
	}
	for _, t := range list {
		slices.SortFunc(t.key, func(a, b int) int {
			return places[t.name+" "+t.columns[a]] - places[t.name+" "+t.columns[b]]
		})
		if len(t.key) == 0 {
			return nil, fmt.Errorf("the table %s has no primary key", t.name)
		}
	}
	return list, rows.Err()
}

// readReferences adds the references between the tables of a SQLite database.
func readReferences(ctx context.Context, q Querier, list []table) error {
	rows, err := q.Query(ctx, `SELECT m.name, f."from", f."table"
		FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name, column, other string
		if err := rows.Scan(&name, &column, &other); err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(t table) bool { return t.name == name })
		switch {
		case i < 0:
		case other == name:
			list[i].parent = slices.Index(list[i].columns, column)
		default:
			list[i].refers = append(list[i].refers, other)
		}
	}
	return rows.Err()
}

// inOrder returns the tables with each one after those that it refers to.
func inOrder(list []table) (ordered []table, err error) {
	has := func(name string) bool {
		return slices.ContainsFunc(ordered, func(t table) bool { return t.name == name })
	}
	for len(ordered) < len(list) {
		before := len(ordered)
		for _, t := range list {
			if !has(t.name) && !slices.ContainsFunc(t.refers, func(name string) bool { return !has(name) }) {
				ordered = append(ordered, t)
			}
		}
		if len(ordered) == before {
			return nil, fmt.Errorf("the tables after %d of %d refer to each other in a circle", before, len(list))
		}
	}
	return ordered, nil
}

// quoted writes names for a statement.
func quoted(names ...string) string { return `"` + strings.Join(names, `", "`) + `"` }

// keyNames returns the names of the key's columns.
func (t table) keyNames() []string {
	names := make([]string, len(t.key))
	for i, column := range t.key {
		names[i] = t.columns[column]
	}
	return names
}

// keyOf returns the key of a row.
func (t table) keyOf(row []any) []any {
	key := make([]any, len(t.key))
	for i, column := range t.key {
		key[i] = row[column]
	}
	return key
}

// selects returns the statement that reads rows in the order of their keys, if from,
// after a key; the number of rows is its last parameter.
func (t table) selects(from bool) string {
	text, n := "SELECT "+quoted(t.columns...)+" FROM "+quoted(t.name), 0
	if from {
		n = len(t.key)
		text += " WHERE (" + quoted(t.keyNames()...) + ") > (" + parameters(1, n) + ")"
	}
	return text + " ORDER BY " + quoted(t.keyNames()...) + " LIMIT " + parameters(n+1, 1)
}

// inserts returns the statement that adds so many rows.
func (t table) inserts(rows int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + quoted(t.name) + " (" + quoted(t.columns...) + ") VALUES ")
	for i := range rows {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("(" + parameters(i*len(t.columns)+1, len(t.columns)) + ")")
	}
	return b.String()
}

// parameters lists n parameters of a statement from one on: "$3, $4".
func parameters(from, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("$%d", from+i)
	}
	return strings.Join(list, ", ")
}
