package waybill

import (
	"fmt"
	"time"
)

// Restored is what a book remembers of having been restored from a backup. Between the backup's moment and the first
// start something may have happened outside that this book knows nothing of: the process that was lost was at work.
type Restored struct {
	BackupAt   time.Time `json:"backup_at"` // what was committed later is not in the book
	RestoredAt time.Time `json:"restored_at"`
	StartedAt  time.Time `json:"started_at,omitzero"` // the first start over the restored book; zero until then
	Unknown    int       `json:"unknown,omitzero"`    // effects that stood planned or sent and became unknown at the first start
	SeenAt     time.Time `json:"seen_at,omitzero"`    // when a person saw it and let Waybill send again; zero: sending is paused
	SeenBy     string    `json:"seen_by,omitempty"`
}

// Paused reports whether nothing is sent until a person has looked.
func (r *Restored) Paused() bool { return r != nil && r.SeenAt.IsZero() }

// Words says in a sentence what a person has to know before sending goes on.
func (r *Restored) Words() string {
	until := "now"
	if !r.StartedAt.IsZero() {
		until = r.StartedAt.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("restored from a backup of %s: what was sent from then until %s is not known here",
		r.BackupAt.UTC().Format(time.RFC3339), until)
}

// Backup says what a backup holds: it is written inside it.
type Backup struct {
	At          time.Time `json:"at"` // everything committed before is in it
	Environment string    `json:"environment"`
	Schema      int       `json:"schema"`
	Program     string    `json:"program"` // the version of Waybill that made it
	Events      int64     `json:"events"`  // the place of its newest event
	Bytes       int64     `json:"bytes,omitzero"`
}
