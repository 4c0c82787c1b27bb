package waybill

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Person is somebody whose data the book may hold, by the values that name them.
type Person struct {
	Emails []string `json:"emails,omitempty"`
	Phones []string `json:"phones,omitempty"` // digits, with or without +
	IDs    []string `json:"ids,omitempty"`    // at an outside system
}

// Empty reports whether nothing names anybody.
func (p Person) Empty() bool { return len(p.Emails)+len(p.Phones)+len(p.IDs) == 0 }

// What is shorter stands in too much that is not the person's.
const (
	leastPhone = 7 // digits
	mostPhone  = 15
	leastID    = 3 // characters
)

// Checked is the person with its values trimmed. A value that is no e-mail address, no phone number or no id is refused: it
// would meet other people, and what is erased does not come back.
func (p Person) Checked() (Person, error) {
	if p.Empty() {
		return p, &Error{Kind: Invalid, Message: "nobody is named", Hint: "give an e-mail address, a phone number or an id"}
	}
	out := p.Usable()
	refuse := func(given, usable []string, what, hint string) error {
		if len(given) == len(usable) {
			return nil
		}
		for i, v := range given {
			if i >= len(usable) || strings.TrimSpace(v) != usable[i] {
				return &Error{
					Kind: Invalid, Message: fmt.Sprintf("%q is no %s: it could meet other people's data, so nothing was looked for and nothing was changed", v, what), Hint: hint,
				}
			}
		}
		return nil
	}
	if err := refuse(p.Emails, out.Emails, "e-mail address", "give the whole address, as asha@example.com"); err != nil {
		return p, err
	}
	if err := refuse(p.Phones, out.Phones, "phone number", fmt.Sprintf("give the whole number with its country code, %d to %d digits, as +919876543210", leastPhone, mostPhone)); err != nil {
		return p, err
	}
	return out, refuse(p.IDs, out.IDs, "id of a person", fmt.Sprintf("give the whole id as the other system writes it, %d characters or more; of a shorter one give the person's e-mail address or phone number", leastID))
}

// Usable is the person by those values only that name somebody for certain, trimmed.
func (p Person) Usable() Person {
	return Person{Emails: trimmed(p.Emails, isEmail), Phones: trimmed(p.Phones, isPhone), IDs: trimmed(p.IDs, isID)}
}

func trimmed(list []string, good func(string) bool) (out []string) {
	for _, v := range list {
		if v = strings.TrimSpace(v); good(v) {
			out = append(out, v)
		}
	}
	return out
}

func isEmail(v string) bool {
	local, domain, _ := strings.Cut(v, "@")
	last := domain[strings.LastIndex(domain, ".")+1:]
	return local != "" && len(last) >= 2 && len(last) < len(domain)-1 && !strings.HasPrefix(domain, ".") &&
		!strings.ContainsFunc(local, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`<>()[]\,;:"`, r) }) &&
		!strings.ContainsFunc(domain, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '.' })
}

func isPhone(v string) bool {
	n := 0
	for _, r := range v {
		switch {
		case r == '0' && n == 0: // zeros before a number do not count
		case r >= '0' && r <= '9':
			n++
		case !strings.ContainsRune("+-.()/ \u00a0", r):
			return false
		}
	}
	return n >= leastPhone && n <= mostPhone
}

func isID(v string) bool { return utf8.RuneCountInString(v) >= leastID }

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
