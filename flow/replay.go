package flow

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"waybill"
	"waybill/connector"
	"waybill/expr"
)

// What a flow would do if it ran again for an event: the machine is run dry, with the answers that are on record.

// Again judges what making a write again means, given the newest one of its address. closing says that the run which
// planned that one is stopped first, so that what it holds back unsent makes way. repeats says that the write could be
// made, and would then be a second one that nothing takes back: only a person's counted word lets it go.
//
// The same values as confirmed are never sent again; what may have happened is never sent at all.
func Again(last *waybill.Effect, kind waybill.ActionKind, fingerprint string, closing bool) (class waybill.JobClass, repeats bool, words string) {
	if last == nil {
		return waybill.ClassNew, false, "it was never sent"
	}
	lasting := kind != waybill.KindState || last.Repeat == waybill.RepeatNever
	switch last.State {
	case waybill.EffectConfirmed:
		switch {
		case last.Fingerprint == fingerprint:
			return waybill.ClassSame, false, "it was done with these values"
		case lasting:
			return waybill.ClassBlocked, true, "it was done before with other values, and doing it again would be a second one"
		default:
			return waybill.ClassChanged, false, "it was done before with other values"
		}
	case waybill.EffectUndone:
		if lasting {
			return waybill.ClassBlocked, true, "it was done and put back; doing it again would be a second one"
		}
		return waybill.ClassNew, false, "it was done and put back"
	case waybill.EffectDeclined:
		return waybill.ClassNew, false, "it was refused: known not to have happened"
	case waybill.EffectSkipped:
		if last.Doubted && last.Repeat != waybill.RepeatNatural {
			return waybill.ClassBlocked, true, "it was left out while nobody knew whether it had happened"
		}
		return waybill.ClassNew, false, "it was left out"
	case waybill.EffectPlanned:
		if closing && !last.Doubted {
			return waybill.ClassNew, false, "it was held back: known not to have happened"
		}
		return waybill.ClassBlocked, false, "the one before is still to be sent"
	case waybill.EffectUnknown:
		return waybill.ClassBlocked, false, "whether it happened is not known: that comes first"
	default:
		return waybill.ClassBlocked, false, "the one before is under way"
	}
}

// Goes reports whether a write of a class is made, by what a person chose.
func Goes(class waybill.JobClass, repeats bool, c waybill.JobChoices) bool {
	switch class {
	case waybill.ClassNew:
		return true
	case waybill.ClassChanged:
		return c.Changed
	case waybill.ClassBlocked:
		return repeats && c.Repeats > 0
	default:
		return false
	}
}

// Recorded is what the book says of the event and flow that are rehearsed.
type Recorded interface {
	// Read returns the answer on record to the read of an address; nil when there is none.
	Read(address string) (*Answer, error)
	// Write judges the write of an address as it would be planned now. An error is why it cannot be rendered.
	Write(m *PlannedEffect) (waybill.JobWrite, *waybill.Effect, error)
	// Told reports whether what a step emits is known already, and so starts nothing.
	Told(m *Emitted) (bool, error)
}

// Rehearsal is what a run would do.
type Rehearsal struct {
	Writes  []waybill.JobWrite
	Reads   int
	Tells   []string // types of event that it emits and nobody knows yet
	Open    string   // why it is not known how it goes on; empty when it came to its end
	Blocked *Blocked // it would need a person here
	Reason  string   // how it would end
}

// Class is what the rehearsal comes to, as a whole: the gravest of its writes.
func (r *Rehearsal) Class() waybill.JobClass {
	if r.Blocked != nil {
		return waybill.ClassFails
	}
	class := waybill.ClassNothing
	for i := range r.Writes {
		class = class.Graver(r.Writes[i].Class)
	}
	return class
}

// maxTurns bounds a rehearsal: more turns than the longest loop has steps are a mistake of ours.
const maxTurns = 20 * MaxItems

// Rehearse runs the flow from p without the outside world and returns what it would write. A read is answered as it was
// before; a write that was made with the same values is answered from record; of any other the answer is guessed, and
// where later steps cannot do with the guess the rehearsal stays open. So it does where it tells what nobody knows yet: that
// starts flows of its own.
func (f *Flow) Rehearse(p *Progress, ev *waybill.Event, data map[string]any, rec Recorded, r expr.Reads) (Rehearsal, error) {
	out, err := f.rehearse(p, ev, data, rec, r)
	if len(out.Tells) > 0 {
		said := "it tells " + strings.Join(out.Tells, " and ") + ", which nobody knows yet: what that starts is not foretold"
		if out.Open != "" {
			said += "; " + out.Open
		}
		out.Open = said
	}
	return out, err
}

func (f *Flow) rehearse(p *Progress, ev *waybill.Event, data map[string]any, rec Recorded, r expr.Reads) (Rehearsal, error) {
	var out Rehearsal
	var a *Answer
	guessed := ""
	for range maxTurns {
		var moves []Move
		p, moves = f.Next(p, ev, data, a, r)
		a = nil
		for _, m := range moves {
			switch {
			case m.Done != nil:
				out.Reason = m.Done.Reason
				return out, nil
			case m.Block != nil && guessed != "":
				out.Open = "what follows depends on the answer to " + guessed
				return out, nil
			case m.Block != nil:
				out.Blocked = m.Block
				return out, nil
			case m.Emit != nil:
				known, err := rec.Told(m.Emit)
				if err != nil {
					return out, err
				}
				if !known && !slices.Contains(out.Tells, m.Emit.Type) {
					out.Tells = append(out.Tells, m.Emit.Type)
				}
			case m.Fetch != nil:
				answer, err := rec.Read(m.Fetch.Address)
				if err != nil {
					return out, err
				}
				out.Reads++
				if answer == nil {
					out.Open = "what follows depends on what " + m.Fetch.Address + " reads"
					return out, nil
				}
				a = answer
			case m.Effect != nil:
				w, last, err := rec.Write(m.Effect)
				if err != nil {
					out.Blocked = &Blocked{Address: m.Effect.Address, Cause: waybill.MappingWrong, Words: err.Error()}
					return out, nil //nolint:nilerr // it is what the rehearsal found
				}
				out.Writes = append(out.Writes, w)
				if w.Class == waybill.ClassBlocked && !w.Repeats {
					return out, nil // nobody can let it go: nothing comes after it
				}
				a = &Answer{Address: m.Effect.Address, Result: Succeeded}
				if w.Class == waybill.ClassNothing {
					a.Result = Skipped
				}
				if a.Output = outputOf(last); w.Class == waybill.ClassNew {
					guessed = m.Effect.Address
				}
			case m.Ask != nil:
				out.Open = "then a person is asked: " + m.Ask.Question
				return out, nil
			case m.Rest != nil:
				out.Open = "then it waits; what comes after that is not foretold"
				return out, nil
			}
		}
		if a == nil {
			out.Open = "then it waits"
			return out, nil
		}
	}
	return out, &waybill.Error{Kind: waybill.Internal, Message: fmt.Sprintf("the rehearsal of %s does not end", f.Name)}
}

// outputOf is what the write before gave; nil when it gave nothing.
func outputOf(last *waybill.Effect) any {
	if last == nil || len(last.Answer) == 0 || !json.Valid(last.Answer) {
		return nil
	}
	out, err := connector.DecodeJSON(last.Answer)
	if err != nil {
		return nil
	}
	return out
}
