package waybill

import (
	"fmt"
	"strings"
	"time"
)

// Node is one process that works on a book. Several may work on one book of PostgreSQL; a book in a file has one, which
// needs no lease.
type Node struct {
	// Epoch names one life of a node on this book: a node that lost its lease comes back with another. 0 is none.
	Epoch     int64
	Name      string
	Address   string // where it listens
	Version   string // of the program
	StartedAt time.Time
	// HeardAt is when it was heard of last: it joined or renewed its lease.
	HeardAt time.Time
	// Until is the end of whatever it has begun, on the book's clock: no call of it is under way after that.
	Until time.Time
	// FreeAt is since when others may take what it had claimed and not sent; zero while it works.
	FreeAt time.Time
	// GoneAt is since when nothing it decides counts; zero while its lease holds.
	GoneAt time.Time
	// Lost says that it did not leave: it was not heard of for too long. Noticed names the node that found that, and took
	// its work on with the others.
	Lost    bool
	Noticed string
	// Bundle is the version of the workspace it serves.
	Bundle BundleID
	// Trouble is what keeps it from serving the book's current version; empty for none.
	Trouble string
	// Items, Runs and Effects are what it has in hand now, as far as whoever lists nodes asks for it.
	Items, Runs, Effects int
}

// silent is after how long without a beat people are told so.
const silent = 5 * time.Second

// Words say how a node stands, in a sentence for people, with times in the zone of now.
func (n Node) Words(now time.Time) string {
	ago := func(t time.Time) string {
		d := now.Sub(t)
		if d < time.Minute {
			return fmt.Sprintf("%d s", int(d.Seconds()))
		}
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	gone := n.GoneAt.In(now.Location()).Format(time.TimeOnly)
	switch state := n.State(); {
	case state == "lost" && n.Noticed == n.Name:
		return fmt.Sprintf("%s began anew at %s; what its life before had not sent goes on", n.Name, gone)
	case state == "lost" && !n.HeardAt.IsZero():
		return fmt.Sprintf("%s has not been heard of for %s; its work moved to %s and those beside it at %s", n.Name, ago(n.HeardAt),
			n.Noticed, gone)
	case state == "lost":
		return fmt.Sprintf("%s was lost at %s", n.Name, gone)
	case state == "left":
		return fmt.Sprintf("%s stopped at %s", n.Name, gone)
	case state == "leaving":
		return n.Name + " is stopping; what it had not sent is the others' already"
	case !n.HeardAt.IsZero() && now.Sub(n.HeardAt) > silent:
		return fmt.Sprintf("%s has not been heard of for %s", n.Name, ago(n.HeardAt))
	case n.Trouble != "":
		return n.Name + " works, but " + n.Trouble
	default:
		return n.Name + " works"
	}
}

// State says in a word how a node stands: working, leaving, left, or lost.
func (n Node) State() string {
	switch {
	case n.GoneAt.IsZero() && n.FreeAt.IsZero():
		return "working"
	case n.GoneAt.IsZero():
		return "leaving"
	case n.Lost:
		return "lost"
	default:
		return "left"
	}
}
