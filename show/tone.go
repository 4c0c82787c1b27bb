package show

import (
	"strings"

	"waybill"
	"waybill/watch"
)

// tone is how a state shows: always a word, an icon and a colour together, and what it means for whoever asks.
type tone struct {
	Word    string
	Icon    string
	Tone    string // working, waiting, done, person, unknown, stopped: a class, and the colour
	Meaning string
}

// The six tones. There are no others, so that a colour always means the same.
var (
	toneWorking = tone{"Working", "working", "working", "It is being done right now."}
	toneWaiting = tone{"Waiting", "waiting", "waiting", "It waits for an answer, a time or another system, and goes on by itself."}
	toneDone    = tone{"Done", "done", "done", "Everything that had to happen has happened."}
	tonePerson  = tone{"Needs a person", "person", "person", "It stands still until somebody decides."}
	toneUnknown = tone{"Unknown", "unknown", "unknown", "It was sent, but the answer was lost. It may or may not have happened."}
	toneStopped = tone{"Stopped", "stopped", "stopped", "A person ended it, or there was nothing to do."}
)

// Dot is the plain picture for a station's dot: the icon without its circle.
func (t tone) Dot() string {
	switch t.Tone {
	case "done":
		return "tick"
	case "unknown":
		return "ask"
	case "person":
		return "bang"
	case "waiting":
		return "dots"
	case "working":
		return "next"
	default:
		return "dash"
	}
}

// said is a tone with another word.
func (t tone) said(word, meaning string) tone {
	t.Word = word
	if meaning != "" {
		t.Meaning = meaning
	}
	return t
}

func runTone(s waybill.RunState) tone {
	switch s {
	case waybill.RunQueued, waybill.RunRunning:
		return toneWorking
	case waybill.RunWaiting:
		return toneWaiting
	case waybill.RunDone:
		return toneDone
	case waybill.RunBlocked:
		return tonePerson
	case waybill.RunStopped:
		return toneStopped
	default:
		return toneStopped.said("Not used", "No flow had anything to do for it.")
	}
}

// rowTone is the tone of an event in a list: an outcome that is not known shows before everything else.
func rowTone(r waybill.EventRow) tone {
	if r.Unknown > 0 {
		return toneUnknown
	}
	if r.Runs == 0 && (r.State == "" || r.State == waybill.RunDone) {
		return toneStopped.said("Not used", "No flow had anything to do for it.")
	}
	return runTone(r.State)
}

func itemTone(s waybill.ItemState) tone {
	switch s {
	case waybill.ItemKept:
		return toneWorking.said("Kept", "It is safely written down and will be read in a moment.")
	case waybill.ItemFetching:
		return toneWaiting.said("Fetching", "It waits for data that the sender left out.")
	case waybill.ItemTranslated:
		return toneDone.said("Understood", "It became a business event, or joined one.")
	case waybill.ItemNotUsed:
		return toneStopped.said("Not used", "It was kept, but there was nothing to do for it.")
	case waybill.ItemBlocked:
		return tonePerson
	default:
		return toneStopped.said(string(s), "")
	}
}

// held reports whether a planned effect waits for a person rather than for a time.
func held(e waybill.Effect) bool {
	return e.State == waybill.EffectPlanned && !e.DueAt.Before(waybill.Held())
}

// certainty is how sure it is that an effect happened, in the words of the journey.
func certainty(e waybill.Effect, system string) tone {
	switch e.State {
	case waybill.EffectPlanned:
		if held(e) {
			return tonePerson.said("Held, not sent", "It is held until a person decides. Nothing has left this machine that could have done it.")
		}
		if e.Tries > 0 || !e.SentAt.IsZero() {
			return toneWaiting.said("Not done yet", "It was tried, and it is known that it did not happen. It will be tried again.")
		}
		return toneWaiting.said("Not sent", "It is planned. Nothing has left this machine.")
	case waybill.EffectSent:
		return toneWorking.said("Sent, waiting for the answer", "It is on its way; "+system+" has not answered yet.")
	case waybill.EffectConfirmed:
		return toneDone.said("Confirmed by "+system, "It is proven that it happened.")
	case waybill.EffectDeclined:
		return tonePerson.said("Declined by "+system, system+" said no. It is known that it did not happen.")
	case waybill.EffectUnknown:
		return toneUnknown.said("Sent, answer lost", "It may or may not have happened. It is never sent again by itself.")
	case waybill.EffectSkipped:
		return toneStopped.said("Skipped", "It was left out and will not be sent.")
	case waybill.EffectUndone:
		return toneStopped.said("Undone", "It happened, and was taken back.")
	default:
		return toneStopped.said(string(e.State), "")
	}
}

// exchangeTone is what one exchange proved.
func exchangeTone(a waybill.Attempt, read bool) tone {
	if a.EndedAt.IsZero() {
		return toneWorking.said("Under way", "")
	}
	switch a.Certainty {
	case waybill.Happened:
		if read {
			return toneDone.said("Answered", "")
		}
		return toneDone.said("Happened", "")
	case waybill.Declined:
		return tonePerson.said("Declined", "The other side said no.")
	case waybill.NotHappened:
		return toneWaiting.said("Did not happen", "It is known that nothing was done, so it may be sent again.")
	case waybill.InDoubt:
		return toneUnknown.said("In doubt", "It may or may not have happened.")
	default:
		return toneStopped.said(string(a.Certainty), "")
	}
}

func healthTone(h waybill.Health) tone {
	switch h {
	case waybill.HealthWorking, "":
		return toneDone.said("Working", "It takes and answers our calls.")
	case waybill.HealthLimited:
		return toneWaiting.said("Limited", "The work goes out bit by bit, as fast as it allows.")
	case waybill.HealthDown:
		return toneWaiting.said("Not answering", "We try again by ourselves; the work is kept.")
	case waybill.HealthSignInNeeded:
		return tonePerson.said("Sign-in needed", "A person has to renew the key. The work is kept.")
	case waybill.HealthPaused:
		return toneStopped.said("Paused", "Nothing is sent there until somebody lets it go on. The work is kept.")
	default:
		return toneStopped.said(string(h), "")
	}
}

func problemTone(p waybill.Problem) tone {
	switch p.State {
	case waybill.ProblemFixed:
		return toneDone.said("Fixed", "Nothing is left of it.")
	case waybill.ProblemWorking:
		return toneWorking.said("Somebody is on it", "A person took it.")
	case waybill.ProblemRegressed:
		if !watch.NeedsPerson(p) {
			return toneWaiting.said("Came back", "It was fixed before, and is here again. It goes on by itself, as long as it ends.")
		}
		return tonePerson.said("Came back", "It was fixed before, and is here again.")
	case waybill.ProblemNew:
	}
	if p.Cause == waybill.AnswerLost {
		return toneUnknown.said("New", "Nobody has taken it yet.")
	}
	if !watch.NeedsPerson(p) {
		return toneWaiting.said("Goes on by itself", "It needs nobody, as long as it ends.")
	}
	return tonePerson.said("New", "Nobody has taken it yet.")
}

func verdictTone(v waybill.Verdict) tone {
	switch v {
	case waybill.Go:
		return toneDone.said("Go", "")
	case waybill.WaitUntil:
		return toneWaiting.said("Wait", "")
	case waybill.Skip:
		return toneStopped.said("Skip", "")
	case waybill.Ask:
		return tonePerson.said("Ask a person", "")
	case waybill.Refuse:
		return tonePerson.said("Refuse", "")
	default:
		return toneStopped.said(string(v), "")
	}
}

func messageTone(s waybill.MessageState) tone {
	word := sayName(string(s))
	switch s {
	case waybill.MessageDelivered, waybill.MessageRead:
		return toneDone.said(word, "")
	case waybill.MessageFailed:
		return tonePerson.said(word, "")
	case waybill.MessageUnknown:
		return toneUnknown.said(word, "")
	case waybill.MessageSkipped:
		return toneStopped.said(word, "")
	case waybill.MessagePlanned:
		return toneWaiting.said(word, "")
	case waybill.MessageAccepted, waybill.MessageSent:
		return toneWorking.said(word, "")
	default:
		return toneStopped.said(word, "")
	}
}

// grade says in words what makes sending an action again harmless.
func grade(r waybill.Repeat) string {
	switch r {
	case waybill.RepeatKey:
		return "Safe to repeat: they know our reference number"
	case waybill.RepeatNatural:
		return "Safe to repeat: the result is the same"
	case waybill.RepeatLookup:
		return "Checked before a repeat: we look first"
	case waybill.RepeatNever:
		return "Never repeated without proof or a person"
	default:
		return ""
	}
}

func kindWords(k waybill.ActionKind) string {
	switch k {
	case waybill.KindRead:
		return "Reads"
	case waybill.KindState:
		return "Sets a state"
	case waybill.KindAdd:
		return "Adds something"
	case waybill.KindMessage:
		return "Sends a message"
	case waybill.KindMoney:
		return "Moves money"
	default:
		return string(k)
	}
}

func viaWords(v waybill.Via) string {
	switch v {
	case waybill.ViaWebhook:
		return "Webhook"
	case waybill.ViaPoll:
		return "Regular look-up"
	case waybill.ViaForm:
		return "Form"
	case waybill.ViaTrigger:
		return "A person, at the command line"
	default:
		return string(v)
	}
}

func modeWords(m waybill.Mode) string {
	switch m {
	case waybill.ModeReplay:
		return "Run again"
	case waybill.ModeTrial:
		return "Trial"
	case waybill.ModeShadow:
		return "Shadow: nothing is sent"
	case waybill.ModeLive:
	}
	return ""
}

// sayName makes words of a name: order.paid_in_full becomes Order paid in full.
func sayName(name string) string {
	s := strings.Join(strings.FieldsFunc(name, func(r rune) bool { return r == '.' || r == '_' || r == '-' || r == ' ' }), " ")
	if s == "" {
		return name
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// sayEvent is the headline of an event: "Order SO-1001: paid in full", or "Order paid in full" without a subject.
func sayEvent(typ, subject string) string {
	if subject == "" {
		return sayName(typ)
	}
	_, what, ok := strings.Cut(typ, ".")
	if !ok || what == "" {
		return subject + ": " + sayName(typ)
	}
	return subject + ": " + strings.ToLower(sayName(what))
}
