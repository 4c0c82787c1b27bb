package waybill

import "time"

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
