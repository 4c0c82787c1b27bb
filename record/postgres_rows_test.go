package record

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestAStatementIsReadForWhatItsRowsHaveInCommon(t *testing.T) {
	for _, c := range []struct {
		text  string
		args  int
		many  string // empty: it shares a statement with no other
		table string
		width int
		key   []int
	}{
		{
			"INSERT INTO facts (hash, event) VALUES ($1, $2) ON CONFLICT DO NOTHING", 2,
			"INSERT INTO facts (hash, event) SELECT u.c1, u.c2 FROM ROWS ON CONFLICT DO NOTHING", "facts", 2, nil,
		},
		{
			"INSERT INTO names (hash, subject) VALUES ($1, $2), ($3, $4), ($5, $6) ON CONFLICT DO NOTHING", 6,
			"INSERT INTO names (hash, subject) SELECT u.c1, u.c2 FROM ROWS ON CONFLICT DO NOTHING", "names", 2, nil,
		},
		{
			"INSERT INTO things (id, merged, n) VALUES ($1, '', $2) ON CONFLICT (id) DO UPDATE SET n = excluded.n", 2,
			"INSERT INTO things (id, merged, n) SELECT u.c1, '', u.c2 FROM ROWS ON CONFLICT (id) DO UPDATE SET n = excluded.n",
			"things", 2,
			[]int{0},
		},
		{
			"INSERT INTO sums (width, name, n) VALUES ($1, $2, $3)\n\tON CONFLICT (width, name) DO UPDATE SET n = sums.n + excluded.n", 3,
			"INSERT INTO sums (width, name, n) SELECT u.c1, u.c2, u.c3 FROM ROWS\n\tON CONFLICT (width, name) DO UPDATE SET n = sums.n + excluded.n",
			"sums", 3,
			[]int{0, 1},
		},
		{
			"UPDATE runs SET state = $3, due = $4\n\tWHERE id = $1 AND state = $2", 4,
			"UPDATE runs SET state = u.c3, due = u.c4 FROM ROWS WHERE id = u.c1 AND state = u.c2", "runs", 4,
			[]int{0},
		},
		{"INSERT INTO things (id, n) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET n = $2", 2, "", "", 2, nil},
		{"INSERT INTO things (id) SELECT id FROM others WHERE n = $1", 1, "", "", 1, nil},
		{"UPDATE keys SET item = $2 WHERE hash = $1 AND item = $3", 3, "", "", 3, nil},
		{"DELETE FROM lanes WHERE lane = $1", 1, "", "", 1, nil},
	} {
		s := shapeOf(c.text, c.args, false)
		many := s.many
		if many != "" {
			many = fmt.Sprintf(many, "ROWS")
		}
		if many != c.many || s.width != c.width || !slices.Equal(s.key, c.key) || many != "" && s.table != c.table {
			t.Errorf("%s\nis read as %q, table %q, %d wide, key %v", c.text, many, s.table, s.width, s.key)
		}
	}
}

func TestTheServerItselfRefusesAStatementThatLeavesARowUndone(t *testing.T) {
	for text, want := range map[string][2]string{ // for one row, for many
		"INSERT INTO facts (hash, event) VALUES ($1, $2) ON CONFLICT DO NOTHING": {
			"INSERT INTO facts (hash, event) VALUES ($1, $2)",
			"INSERT INTO facts (hash, event) SELECT u.c1, u.c2 FROM ROWS",
		},
		"UPDATE runs SET n = $3 WHERE id = $1 AND state = $2": {
			"WITH changed AS (UPDATE runs SET n = $3 WHERE id = $1 AND state = $2 RETURNING 1) SELECT 1 / (count(*) / 1) FROM changed",
			"WITH changed AS (UPDATE runs SET n = u.c3 FROM ROWS WHERE id = u.c1 AND state = u.c2 RETURNING 1)" +
				" SELECT 1 / (count(*) / cardinality($1)) FROM changed",
		},
		"UPDATE keys SET item = $2 WHERE hash = $1 AND item = $3": {
			"WITH changed AS (UPDATE keys SET item = $2 WHERE hash = $1 AND item = $3 RETURNING 1) SELECT 1 / (count(*) / 1) FROM changed", "",
		},
	} {
		s := shapeOf(text, strings.Count(text, "$"), true)
		many := s.many
		if many != "" {
			many = fmt.Sprintf(many, "ROWS")
		}
		if s.one != want[0] || many != want[1] {
			t.Errorf("%s\nis asked as %q and %q", text, s.one, many)
		}
	}
}

// TestRowsJoinOnlyWhereTheirOrderMakesNoDifference puts statements in line and looks at what would go out.
func TestRowsJoinOnlyWhereTheirOrderMakesNoDifference(t *testing.T) {
	const (
		add    = "INSERT INTO runs (id) VALUES ($1) ON CONFLICT DO NOTHING"
		other  = "INSERT INTO keys (hash) VALUES ($1) ON CONFLICT DO NOTHING"
		move   = "UPDATE runs SET n = $3 WHERE id = $1 AND state = $2"
		strict = "DELETE FROM runs WHERE id = $1"
	)
	type row struct {
		text string
		id   string
	}
	for want, rows := range map[string][]row{
		"runs+2, keys+2":             {{add, "a"}, {other, "k"}, {add, "b"}, {other, "l"}},
		"runs+2, runs=2":             {{add, "a"}, {move, "a"}, {add, "b"}, {move, "b"}},
		"runs=1, runs+1, runs=1":     {{move, "a"}, {add, "b"}, {move, "b"}},
		"runs=1, runs=1":             {{move, "a"}, {move, "a"}},
		"runs=2, keys+1":             {{move, "a"}, {other, "k"}, {move, "b"}},
		"runs+1, ?1, runs+1":         {{add, "a"}, {strict, "a"}, {add, "a"}},
		"keys+1, runs=1, ?1, keys+1": {{other, "k"}, {move, "a"}, {strict, "x"}, {other, "l"}},
		"runs=1, runs+2, runs=1, ?1": {{move, "a"}, {add, "b"}, {move, "b"}, {add, "c"}, {strict, "b"}},
		"runs+1, keys+1, runs=2, ?1": {{add, "a"}, {other, "k"}, {move, "a"}, {move, "b"}, {strict, "b"}},
		"keys+2, runs+2, runs=2, ?1": {{other, "k"}, {add, "a"}, {move, "a"}, {other, "l"}, {add, "b"}, {move, "b"}, {strict, "c"}},
	} {
		c := &pgConn{shapes: map[shapeKey]*shape{}}
		for _, r := range rows {
			args := []any{r.id}
			if r.text == move {
				args = append(args, "queued", 1)
			}
			if err := c.later(true, r.text, args...); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, g := range c.groups {
			switch {
			case g.many == "":
				got = append(got, fmt.Sprintf("?%d", g.rows))
			case len(g.key) > 0:
				got = append(got, fmt.Sprintf("%s=%d", g.table, g.rows))
			default:
				got = append(got, fmt.Sprintf("%s+%d", g.table, g.rows))
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%v\ngo out as %s, not %s", rows, strings.Join(got, ", "), want)
		}
	}
}
