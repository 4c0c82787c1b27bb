package watch

import (
	"strings"

	"waybill"
)

// Names are the workspace's words for what a problem names. Each method falls back to the name it was given.
type Names interface {
	// System is the outside system of a connection: "HubSpot".
	System(connection string) string
	// Action is what an action does, as its manifest titles it: "Update a deal".
	Action(connection, action string) string
	// Owner is a person or team: "Finance".
	Owner(name string) string
	// Grade says what an action does and what makes sending it again harmless; both are empty when it is not known.
	Grade(connection, action string) (waybill.ActionKind, waybill.Repeat)
}

// text is the explanation of one cause, with slots: {system} {action} {code} {owner}.
type text struct {
	title     string
	titleCode string // the title when the provider named a code or field; empty: the same
	means     string
	who       string
	do        string
	ifNothing string
	safe      string
}

// Who acts, in the words of the third line.
const (
	whoOwner   = "{owner}."
	whoBuilder = "The builder of this workspace."
	whoSupport = "{system} itself. If it lasts, ask their support."
	whoNobody  = "Nobody. It goes on by itself."
)

// texts has every cause; a test holds it complete.
var texts = map[waybill.Cause]text{
	waybill.AnswerLost: {
		title:     "It is not known if {action} worked: the answer from {system} was lost",
		means:     "We sent it, but no clear answer came back. It may have been done, or not.",
		who:       whoOwner,
		do:        "Look in {system}. Then press “It happened” or “It did not happen”.",
		ifNothing: "It waits. Nothing is sent twice. What comes after it waits too.",
		safe:      "", // by the action's grade, see safety
	},
	waybill.SignInExpired: {
		title:     "{system} wants us to sign in again",
		means:     "{system} no longer takes our sign-in. Nothing can be read or written there until it is renewed.",
		who:       whoOwner,
		do:        "Renew the key or the sign-in of this connection. Then press “Try now” on its page.",
		ifNothing: "All work for {system} is kept and waits. Work that is too late to make sense is left out and shown.",
		safe:      "Yes. {system} turned us away, so nothing was done.",
	},
	waybill.PermissionMissing: {
		title:     "{system} does not let us do this: {action}",
		means:     "We are signed in, but our account may not do this one thing.",
		who:       whoOwner,
		do:        "Give our account this right in {system}. Then press “Retry”.",
		ifNothing: "This one action waits. All other work with {system} goes on.",
		safe:      "Yes. {system} said no, so nothing was done.",
	},
	waybill.LimitReached: {
		title:     "{system} asks us to slow down",
		means:     "We reached the number of calls that {system} allows. The rest of the work stands in line.",
		who:       whoNobody,
		do:        "Nothing. If it comes back every day, ask {system} for a higher limit.",
		ifNothing: "The work goes out bit by bit, as fast as {system} allows.",
		safe:      "Yes, but there is no need. {system} did not take the call, and it is sent again for you.",
	},
	waybill.TheirSideDown: {
		title:     "{system} is not working right now",
		means:     "{system} has a fault on its side. Our work for it is kept and waits.",
		who:       whoSupport,
		do:        "Nothing. Check the status page of {system} if it lasts for more than an hour.",
		ifNothing: "We try again from time to time. When {system} is back, all the work goes on by itself.",
		safe:      "Yes. What was surely not done is sent again. What may have been done is checked first.",
	},
	waybill.TooSlow: {
		title:     "{system} is too slow to answer",
		means:     "{system} takes longer to answer than we can wait. Our work for it stands in line.",
		who:       whoSupport,
		do:        "Nothing. If it lasts, ask the support of {system}.",
		ifNothing: "We try again from time to time. The work goes on by itself when {system} is faster.",
		safe:      "Yes. What was surely not done is sent again. What may have been done is checked first.",
	},
	waybill.DeclinedValue: {
		title:     "{system} does not take a value: {action}",
		titleCode: "{system} does not take a value ({code}): {action}",
		means:     "{system} read what we sent and said no to one of the values. Nothing was changed there.",
		who:       whoOwner,
		do:        "Open one of the events below and read the answer. Put the value right and press “Edit and retry”.",
		ifNothing: "These events stay on this list. New ones with a good value go through.",
		safe:      "Yes, but it will fail again as long as the value is the same.",
	},
	waybill.MissingValue: {
		title:     "{system} needs a value that we do not have: {action}",
		titleCode: "{system} needs a value that we do not have ({code}): {action}",
		means:     "{system} will not take this without a value that was left empty. Nothing was changed there.",
		who:       whoOwner,
		do:        "Open one of the events below, add the value and press “Edit and retry”. Or leave this part out.",
		ifNothing: "These events stay on this list. New ones that have the value go through.",
		safe:      "Yes, but it will fail again until the value is there.",
	},
	waybill.DuplicateThere: {
		title:     "{system} already has this: {action}",
		titleCode: "{system} already has this ({code}): {action}",
		means:     "Something with the same name or number is in {system} already. Ours was not added.",
		who:       whoOwner,
		do:        "Look in {system}. If it is the same thing, press “Leave this step out”. If not, change one of the two and retry.",
		ifNothing: "These events stay on this list. Nothing is added twice.",
		safe:      "Yes. {system} said no, so nothing was done.",
	},
	waybill.NotFoundThere: {
		title:     "{system} does not have what this needs: {action}",
		titleCode: "{system} does not have what this needs ({code}): {action}",
		means:     "We looked for something in {system}, and it is not there. It may have been deleted or never made.",
		who:       whoOwner,
		do:        "Make it in {system}, or put the link right. Then press “Retry”. Or leave this part out.",
		ifNothing: "These events stay on this list. Other events are not held up.",
		safe:      "Yes. Nothing was done.",
	},
	waybill.FormatChanged: {
		title:     "{system} sends something in a new form",
		titleCode: "{system} sends something in a new form ({code})",
		means:     "What {system} sent does not look as it used to. We kept it, but we cannot read it.",
		who:       whoBuilder,
		do:        "Open one of the samples and compare. Change the mapping, then press “Retry” here.",
		ifNothing: "It is kept and waits. Nothing is lost, but the work for these events is not done.",
		safe:      "Yes. Reading it again changes nothing outside.",
	},
	waybill.MappingWrong: {
		title:     "Our own rules do not fit this data",
		titleCode: "Our own rules do not fit this data ({code})",
		means:     "A rule in this workspace met data that it cannot deal with. We stopped there, to do no harm.",
		who:       whoBuilder,
		do:        "Open one of the samples, read the reason, and change the file it names. Then press “Retry”, or “Run again on today's version” where that is offered.",
		ifNothing: "It is kept and waits. The work for these events is not done.",
		safe:      "Yes, but it will stop again until the rule is put right.",
	},
	waybill.BlockedByRule: {
		title:     "A safety rule holds this back: {action}",
		titleCode: "A safety rule holds this back ({code}): {action}",
		means:     "One of our rules said that this should not go out. It was not sent.",
		who:       whoOwner,
		do:        "Read the rule and its reason on the event. Then retry, or leave this part out.",
		ifNothing: "It stays on this list and is not sent.",
		safe:      "Yes. It was not sent, and the rule is asked again.",
	},
	waybill.WaitingForPerson: {
		title:     "Something waits for your choice: {action}",
		titleCode: "Something waits for your choice ({code})",
		means:     "The flow got to a point where a person has to choose. It was made that way.",
		who:       whoOwner,
		do:        "Open the event, read what is asked, and press one of the buttons.",
		ifNothing: "It waits. What comes after it in this event is not done.",
		safe:      "Yes. Nothing goes out before you choose.",
	},
	waybill.BadSender: {
		title:     "Calls come in that are not proven to be from {system}",
		titleCode: "Calls come in that are not proven to be from {system} ({code})",
		means:     "Someone sends us data in the name of {system}, but the proof does not fit. We did not use it.",
		who:       whoOwner,
		do:        "If you just changed the secret in {system}, change it here too. If not, it may be a stranger: do nothing.",
		ifNothing: "The calls are turned away and counted. If they are real, what they tell is missing here.",
		safe:      "There is nothing to retry. {system} sends it again when the secret fits.",
	},
	waybill.OurSide: {
		title:     "Something went wrong on our side",
		titleCode: "Something went wrong on our side ({code})",
		means:     "Waybill ran into a fault of its own, or got an answer that it has no words for yet.",
		who:       whoBuilder,
		do:        "Open one of the events and read the answer. If it makes no sense, send it to the makers of Waybill.",
		ifNothing: "It is kept and waits. The work for these events is not done.",
		safe:      "Yes. What may have been done is never sent again without asking you.",
	},
}

// The codes of problems that hold what was meant to wait for people begin with these; a step's place follows: flow.step, or what
// is said.
const (
	AskMark     = "ask "        // questions
	ReleaseMark = "release of " // effects of a step that is being introduced
	RemovedMark = "removed "    // what a connection sent that is no longer in the workspace; its type follows
)

// TableMark begins the code of a problem about a value that a table of the workspace does not know; the table and the value follow.
const TableMark = "table "

// marked explains problems whose code begins so, by the cause they have. One problem holds all questions of a step, so it
// names none of them.
var marked = map[waybill.Cause]map[string]text{
	waybill.WaitingForPerson: waits,
	waybill.MissingValue: {TableMark: {
		title:     "A table has no row for a value",
		titleCode: "A table has no row for a value ({code})",
		means:     "A value came that a table of this workspace does not know. We stopped there: this part was not sent.",
		who:       whoOwner,
		do:        "Have a row for the value added to the table. Then press “Run again on today's version”: a retry goes on with the table as it was.",
		ifNothing: "These events stay on this list, and new ones with this value join them. Others go through.",
		safe:      "Yes. It was not sent. But it will stop again until the row is there.",
	}},
}

var waits = map[string]text{
	AskMark: {
		title:     "Questions wait for an answer",
		titleCode: "Questions wait for an answer ({code})",
		means:     "The flow asks people before it goes on. It was made that way.",
		who:       whoOwner,
		do:        "Open each event, read what is asked, and press one of the buttons.",
		ifNothing: "What each question says under “If nobody answers”. Until then its event waits.",
		safe:      "Yes. Nothing goes out before you choose.",
	},
	ReleaseMark: {
		title:     "Held back until somebody releases it",
		titleCode: "Held back until somebody releases it ({code})",
		means:     "This step is being introduced: what it would send is on record and not sent yet. It was made that way.",
		who:       whoOwner,
		do:        "Look at what would be sent. Then press “Release”, here for all or on one event.",
		ifNothing: "It waits. What comes after it in these events is not done.",
		safe:      "Yes. It was not sent.",
	},
	RemovedMark: {
		title:     "{system} still sends, and is no longer in the workspace",
		titleCode: "{system} still sends, and is no longer in the workspace ({code})",
		means:     "This connection was taken out of the workspace. What it sends is kept, but nothing reads it.",
		who:       whoOwner,
		do:        "Is it over for good? Have {system} send no more, set these aside, and retire the connection on its page. If not, have it put back into the workspace; then they can be read.",
		ifNothing: "They stay on this list, and what it still sends joins them.",
		safe:      "Yes. A fact already known starts nothing.",
	},
}

// textOf finds the words for a problem, and its code as they show it.
func textOf(p waybill.Problem) (t text, code string) {
	for mark, w := range marked[p.Cause] {
		if place, ok := strings.CutPrefix(p.Code, mark); ok {
			return w, place
		}
	}
	if t, ok := texts[p.Cause]; ok {
		return t, p.Code
	}
	return texts[waybill.OurSide], p.Code
}

// lostSafety says for a lost answer, by grade, whether trying again is safe.
var lostSafety = map[waybill.Repeat]string{
	waybill.RepeatKey:     "Yes. {system} knows our reference number and will not do it twice.",
	waybill.RepeatNatural: "Yes. Doing it again leads to the same result.",
	waybill.RepeatLookup:  "Yes. We look in {system} first, and only send what is surely not there.",
	waybill.RepeatNever:   "No. {system} cannot tell us if it was done, so it could happen twice. Look there first.",
	"":                    "No. It could happen twice. Look in {system} first.",
}

// Explain returns the five lines, and the title, of a problem. A problem that carries a title of its own (from a
// connector's matcher) keeps it. An unknown cause is explained as our own fault.
func Explain(p waybill.Problem, names Names) waybill.Explanation {
	t, _ := textOf(p)
	safe := t.safe
	if p.Cause == waybill.AnswerLost {
		kind, repeat := names.Grade(p.Connection, p.Action)
		safe = safety(kind, repeat)
	}
	fill := slots(p, names)
	title := p.Title
	if title == "" {
		title = Title(p, names)
	}
	return waybill.Explanation{
		Title:     title,
		Means:     capital(fill.Replace(t.means)),
		Who:       capital(fill.Replace(t.who)),
		Do:        capital(fill.Replace(t.do)),
		IfNothing: capital(fill.Replace(t.ifNothing)),
		Safe:      capital(fill.Replace(safe)),
	}
}

// Title names a problem in plain words: "HubSpot wants us to sign in again".
func Title(p waybill.Problem, names Names) string {
	t, _ := textOf(p)
	title := t.title
	if p.Code != "" && t.titleCode != "" {
		title = t.titleCode
	}
	if p.Action == "" {
		title = strings.TrimSuffix(title, ": {action}")
		title = strings.ReplaceAll(title, "if {action} worked", "if it worked")
	}
	return capital(slots(p, names).Replace(title))
}

// safety says whether a lost answer may be tried again. Money and messages never are without proof, unless the
// provider itself refuses the second one.
func safety(kind waybill.ActionKind, repeat waybill.Repeat) string {
	if repeat == waybill.RepeatNever && kind == waybill.KindMoney {
		return "No. Money could be moved twice. Look in {system} first."
	}
	if repeat == waybill.RepeatNever && kind == waybill.KindMessage {
		return "No. The customer could get the message twice. Look in {system} first."
	}
	if s, ok := lostSafety[repeat]; ok {
		return s
	}
	return lostSafety[""]
}

// slots fills in the names. A value is put in once and never read for slots again, so a hostile name stays a name.
func slots(p waybill.Problem, names Names) *strings.Replacer {
	system := "the other side"
	if p.Connection != "" {
		system = names.System(p.Connection)
	}
	action := "this step"
	if p.Action != "" {
		action = "“" + names.Action(p.Connection, p.Action) + "”"
	}
	owner := "Whoever runs this workspace"
	if p.Owner != "" {
		owner = names.Owner(p.Owner)
	}
	_, code := textOf(p)
	return strings.NewReplacer("{system}", system, "{action}", action, "{code}", code, "{owner}", owner)
}

// capital makes the first letter a capital one.
func capital(s string) string {
	if s != "" && s[0] >= 'a' && s[0] <= 'z' {
		return string(s[0]-'a'+'A') + s[1:]
	}
	return s
}
