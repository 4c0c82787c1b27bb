package waybill

import "time"

// Person is somebody whose data the book may hold, by the values that name them.
type Person struct {
	Emails []string `json:"emails,omitempty"`
	Phones []string `json:"phones,omitempty"` // digits, with or without +
	IDs    []string `json:"ids,omitempty"`    // at an outside system
}

// Empty reports whether nothing names anybody.
func (p Person) Empty() bool { return len(p.Emails)+len(p.Phones)+len(p.IDs) == 0 }

// PersonFound is where the book holds something of a person.
type PersonFound struct {
	Person   Person       `json:"person"` // with the addresses and numbers their subjects gave besides
	Subjects []SubjectID  `json:"subjects,omitempty"`
	Events   []EventID    `json:"events,omitempty"`
	Arrivals []ArrivalID  `json:"arrivals,omitempty"`
	Items    []ItemID     `json:"items,omitempty"`
	Effects  []EffectID   `json:"effects,omitempty"`
	Fetches  []FetchID    `json:"fetches,omitempty"`
	Runs     []RunID      `json:"runs,omitempty"`
	Asks     []AskID      `json:"asks,omitempty"`
	Notes    int          `json:"notes,omitzero"` // details of problems, reasons of acts, bulk work, samples of what was turned away
	Kept     []PersonKept `json:"kept,omitempty"` // what has to stay, and why
}

// PersonKept is something of a person that is not erased now.
type PersonKept struct {
	Event EventID `json:"event"`
	Why   string  `json:"why"`
}

// Erasure remembers that a person was erased, without saying who: by hashes with the book's own salt.
type Erasure struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Who    string    `json:"who"`
	Salt   []byte    `json:"salt"`
	Hashes []string  `json:"hashes"`
	// Open is what a book still has to erase, nil for nothing. It is of that book only.
	Open *ErasureOpen `json:"open,omitempty"`
}

// ErasureOpen is what stayed of a person who was erased, because something of it had not ended. Once it has, it is erased.
type ErasureOpen struct {
	Until  time.Time `json:"until"`            // what came in later is another matter, and stays
	Events []EventID `json:"events,omitempty"` // that had not ended
	Items  int       `json:"items,omitzero"`   // received until then and not understood yet: any of them may tell of the person
}

// ErasedAgain is what came of erasing again, in a book restored from a backup, whom a list of erasures names.
type ErasedAgain struct {
	Unknown int          `json:"unknown"` // erasures of the list that the book did not know
	People  int          `json:"people"`  // people the book held, of those and of earlier ones of whom something was open
	Kept    []PersonKept `json:"kept,omitempty"`
}

// PersonExport is what the book holds of a person beside the journeys of what was found.
type PersonExport struct {
	Found    PersonFound
	Subjects []Subject
	Asks     []Question
	Notes    []PersonNote
}

// PersonNote is a row beside everything else whose words mention a person: of a problem, an act, bulk work, something that was
// turned away.
type PersonNote struct {
	Table string `json:"table"`
	ID    string `json:"id"`
	Doc   []byte `json:"doc"` // JSON, as it is kept
}
