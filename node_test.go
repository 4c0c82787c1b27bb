package waybill_test

import (
	"testing"
	"time"

	"waybill"
)

func TestANodeIsToldOfInWords(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 40, 0, time.UTC)
	before := now.Add(-40 * time.Second)
	gone := now.Add(-29 * time.Second)
	for want, n := range map[string]waybill.Node{
		"node-b works":                                                             {Name: "node-b", HeardAt: now},
		"node-b has not been heard of for 8 s":                                     {Name: "node-b", HeardAt: now.Add(-8 * time.Second)},
		"node-b works, but it is old":                                              {Name: "node-b", HeardAt: now, Trouble: "it is old"},
		"node-b stopped at 12:00:11":                                               {Name: "node-b", GoneAt: gone, FreeAt: gone},
		"node-b was lost at 12:00:11":                                              {Name: "node-b", GoneAt: gone, FreeAt: gone, Lost: true},
		"node-b is stopping; what it had not sent is the others' already":          {Name: "node-b", HeardAt: now, FreeAt: gone},
		"node-b began anew at 12:00:11; what its life before had not sent goes on": {Name: "node-b", HeardAt: before, GoneAt: gone, Lost: true, Noticed: "node-b"},
		"node-b has not been heard of for 40 s; its work moved to node-a and those beside it at 12:00:11": {
			Name: "node-b", HeardAt: before, GoneAt: gone, FreeAt: gone, Lost: true, Noticed: "node-a",
		},
	} {
		if got := n.Words(now); got != want {
			t.Errorf("said %q, want %q", got, want)
		}
	}
}
