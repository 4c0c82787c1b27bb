package watch_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"waybill"
	"waybill/watch"
)

// names is a workspace with one connection to each system.
type names struct{ repeat waybill.Repeat }

func (n names) System(c string) string {
	return map[string]string{"crm": "HubSpot", "whatsapp": "WhatsApp"}[c]
}

func (n names) Action(_, a string) string {
	if t, ok := map[string]string{"deal.update": "Update a deal", "template.send": "Send a template"}[a]; ok {
		return t
	}
	return a
}

func (n names) Owner(o string) string {
	return map[string]string{"finance-ops": "The finance team"}[o]
}

func (n names) Grade(_, a string) (waybill.ActionKind, waybill.Repeat) {
	if a == "template.send" {
		return waybill.KindMessage, n.repeat
	}
	return waybill.KindState, n.repeat
}

func TestAProblemThatHoldsManyQuestionsNamesNoneAndSaysThatTimeMayAnswerThem(t *testing.T) {
	p := waybill.Problem{Cause: waybill.WaitingForPerson, Code: watch.AskMark + "refund.ok", Owner: "finance-ops"}
	got := watch.Explain(p, names{})
	if got.Title != "Questions wait for an answer (refund.ok)" || !strings.Contains(got.IfNothing, "If nobody answers") {
		t.Errorf("a question: %+v", got)
	}
	p.Code = watch.ReleaseMark + "refund.send"
	if got := watch.Explain(p, names{}); got.Title != "Held back until somebody releases it (refund.send)" || !strings.Contains(got.Do, "“Release”") {
		t.Errorf("what is held: %+v", got)
	}
}

func TestWhatARemovedConnectionSentIsNoQuestionOfAFlow(t *testing.T) {
	got := watch.Explain(waybill.Problem{Cause: waybill.WaitingForPerson, Code: watch.RemovedMark + "order.paid", Connection: "shop", Owner: "finance-ops"}, names{})
	if !strings.Contains(got.Title, "still sends, and is no longer in the workspace (order.paid)") || !strings.Contains(got.Do, "retire the connection on its page") {
		t.Errorf("%+v", got)
	}
}

func TestWhatToPressIsNamedAsTheButtonIs(t *testing.T) {
	for cause, button := range map[waybill.Cause]string{
		waybill.SignInExpired: "“Try now”", waybill.DuplicateThere: "“Leave this step out”", waybill.AnswerLost: "“It did not happen”",
		waybill.DeclinedValue: "“Edit and retry”",
	} {
		if x := watch.Explain(waybill.Problem{Cause: cause, Connection: "crm"}, names{}); !strings.Contains(x.Do, button) {
			t.Errorf("%s: %s does not name %s", cause, x.Do, button)
		}
	}
}

func TestEveryCauseHasFivePlainLinesAndATitle(t *testing.T) {
	for _, cause := range waybill.Causes {
		for _, code := range []string{"", "INVALID_EMAIL", watch.AskMark + "f.ok", watch.ReleaseMark + "f.s", watch.RemovedMark + "order.paid"} {
			for _, action := range []string{"", "deal.update"} {
				p := waybill.Problem{Cause: cause, Connection: "crm", Action: action, Code: code, Owner: "finance-ops"}
				x := watch.Explain(p, names{})
				for name, line := range map[string]string{
					"title": x.Title, "means": x.Means, "who": x.Who, "do": x.Do, "if nothing": x.IfNothing, "safe": x.Safe,
				} {
					if line == "" {
						t.Errorf("%s: the line %q is empty", cause, name)
					}
					if strings.ContainsAny(line, "{}") || strings.Contains(line, "“”") || strings.Contains(line, "()") {
						t.Errorf("%s: the line %q has an empty slot: %s", cause, name, line)
					}
					if line != "" && !unicode.IsUpper([]rune(line)[0]) {
						t.Errorf("%s: the line %q does not start like a sentence: %s", cause, name, line)
					}
					if name != "title" && !strings.HasSuffix(line, ".") {
						t.Errorf("%s: the line %q does not end like a sentence: %s", cause, name, line)
					}
				}
			}
		}
	}
}

func TestTheWordsAreReadableAtTwelve(t *testing.T) {
	for _, cause := range waybill.Causes {
		x := watch.Explain(waybill.Problem{Cause: cause, Connection: "crm", Action: "deal.update", Owner: "finance-ops"}, names{})
		all := strings.Join([]string{x.Means, x.Do, x.IfNothing, x.Safe}, " ")
		if grade := fleschKincaid(all); grade > 7 { // grade 7 is read at twelve
			t.Errorf("%s reads at school grade %.1f, above 7: %s", cause, grade, all)
		}
	}
}

// fleschKincaid is the school grade at which an English text is read, with syllables counted by groups of vowels.
func fleschKincaid(text string) float64 {
	sentences, words, syllables := 0, 0, 0
	for w := range strings.FieldsSeq(text) {
		words++
		if strings.ContainsAny(w[len(w)-1:], ".:;?!") {
			sentences++
		}
		w = strings.ToLower(strings.Trim(w, ".,:;?!“”()"))
		n, vowel := 0, false
		for _, r := range w {
			v := strings.ContainsRune("aeiouy", r)
			if v && !vowel {
				n++
			}
			vowel = v
		}
		if strings.HasSuffix(w, "e") && n > 1 && !strings.HasSuffix(w, "le") {
			n--
		}
		syllables += max(n, 1)
	}
	return 0.39*float64(words)/float64(max(sentences, 1)) + 11.8*float64(syllables)/float64(max(words, 1)) - 15.59
}

func TestWhoActsDependsOnTheCause(t *testing.T) {
	rows := []struct {
		cause waybill.Cause
		who   string
	}{
		{waybill.AnswerLost, "The finance team."},
		{waybill.SignInExpired, "The finance team."},
		{waybill.LimitReached, "Nobody. It goes on by itself."},
		{waybill.TheirSideDown, "HubSpot itself. If it lasts, ask their support."},
		{waybill.FormatChanged, "The builder of this workspace."},
		{waybill.MappingWrong, "The builder of this workspace."},
		{waybill.Cause("never heard of"), "The builder of this workspace."},
	}
	for _, row := range rows {
		got := watch.Explain(waybill.Problem{Cause: row.cause, Connection: "crm", Owner: "finance-ops"}, names{}).Who
		if got != row.who {
			t.Errorf("%s: who acts is %q, want %q", row.cause, got, row.who)
		}
	}
	nobody := watch.Explain(waybill.Problem{Cause: waybill.DeclinedValue, Connection: "crm"}, names{}).Who
	if nobody != "Whoever runs this workspace." {
		t.Errorf("without an owner it says %q", nobody)
	}
}

func TestALostAnswerIsSafeToRetryOnlyByItsGrade(t *testing.T) {
	rows := []struct {
		action string
		repeat waybill.Repeat
		want   string
	}{
		{"deal.update", waybill.RepeatNatural, "Yes. Doing it again leads to the same result."},
		{"deal.update", waybill.RepeatKey, "Yes. HubSpot knows our reference number and will not do it twice."},
		{"deal.update", waybill.RepeatLookup, "Yes. We look in HubSpot first, and only send what is surely not there."},
		{"deal.update", waybill.RepeatNever, "No. HubSpot cannot tell us if it was done, so it could happen twice. Look there first."},
		{"template.send", waybill.RepeatNever, "No. The customer could get the message twice. Look in HubSpot first."},
		{"deal.update", "", "No. It could happen twice. Look in HubSpot first."},
	}
	for _, row := range rows {
		p := waybill.Problem{Cause: waybill.AnswerLost, Connection: "crm", Action: row.action}
		if got := watch.Explain(p, names{row.repeat}).Safe; got != row.want {
			t.Errorf("%s with grade %q: %q, want %q", row.action, row.repeat, got, row.want)
		}
	}
}

func TestAConnectorsOwnTitleIsKept(t *testing.T) {
	p := waybill.Problem{Cause: waybill.MissingValue, Connection: "crm", Title: "HubSpot refuses contacts without an e-mail"}
	if got := watch.Explain(p, names{}).Title; got != p.Title {
		t.Errorf("the title became %q", got)
	}
}

func TestTitlesNameTheSystemTheActionAndTheCode(t *testing.T) {
	rows := []struct {
		p    waybill.Problem
		want string
	}{
		{waybill.Problem{Cause: waybill.SignInExpired, Connection: "crm"}, "HubSpot wants us to sign in again"},
		{
			waybill.Problem{Cause: waybill.AnswerLost, Connection: "whatsapp", Action: "template.send"},
			"It is not known if “Send a template” worked: the answer from WhatsApp was lost",
		},
		{
			waybill.Problem{Cause: waybill.AnswerLost, Connection: "whatsapp"},
			"It is not known if it worked: the answer from WhatsApp was lost",
		},
		{
			waybill.Problem{Cause: waybill.DeclinedValue, Connection: "crm", Action: "deal.update", Code: "INVALID_STAGE"},
			"HubSpot does not take a value (INVALID_STAGE): “Update a deal”",
		},
		{waybill.Problem{Cause: waybill.MappingWrong, Code: "order.paid_total"}, "Our own rules do not fit this data (order.paid_total)"},
	}
	for _, row := range rows {
		if got := watch.Title(row.p, names{}); got != row.want {
			t.Errorf("title %q, want %q", got, row.want)
		}
	}
}

func TestAHostileNameIsNotReadForSlots(t *testing.T) {
	p := waybill.Problem{Cause: waybill.DeclinedValue, Connection: "crm", Action: "{owner}", Code: "{system}", Owner: "finance-ops"}
	want := "HubSpot does not take a value ({system}): “{owner}”"
	if got := watch.Title(p, names{}); got != want {
		t.Errorf("title %q, want %q", got, want)
	}
}

func TestKeysGroupOneTroubleAndTellTwoApart(t *testing.T) {
	k := watch.Key
	same := []struct{ name, a, b string }{
		{
			"an outage is one, whatever was being done",
			k(waybill.TheirSideDown, "crm", "deal.update", "502"), k(waybill.TheirSideDown, "crm", "contact.upsert", "503"),
		},
		{
			"a missing permission is one for its action", k(waybill.PermissionMissing, "crm", "deal.update", "a"),
			k(waybill.PermissionMissing, "crm", "deal.update", "b"),
		},
		{
			"ids do not split a group", k(waybill.NotFoundThere, "crm", "deal.update", "no deal 9182736455"),
			k(waybill.NotFoundThere, "crm", "deal.update", "no deal 11"),
		},
		{
			"addresses do not split a group", k(waybill.DeclinedValue, "crm", "x", "bad e-mail asha@example.com"),
			k(waybill.DeclinedValue, "crm", "x", "bad e-mail ravi@example.com"),
		},
	}
	for _, row := range same {
		if row.a != row.b {
			t.Errorf("%s: %q and %q", row.name, row.a, row.b)
		}
	}
	differ := []struct{ name, a, b string }{
		{"two codes", k(waybill.DeclinedValue, "whatsapp", "template.send", "131047"), k(waybill.DeclinedValue, "whatsapp", "template.send", "131026")},
		{"two connections", k(waybill.TheirSideDown, "crm", "", ""), k(waybill.TheirSideDown, "crm-2", "", "")},
		{"two actions", k(waybill.PermissionMissing, "crm", "a", ""), k(waybill.PermissionMissing, "crm", "b", "")},
		{"a bar in a name moves nothing", k(waybill.DeclinedValue, "a|b", "c", ""), k(waybill.DeclinedValue, "a", "b|c", "")},
	}
	for _, row := range differ {
		if row.a == row.b {
			t.Errorf("%s: both are %q", row.name, row.a)
		}
	}
	if got, want := k(waybill.DeclinedValue, "crm", "deal.update", "INVALID_STAGE"), "v1:declined value|crm|deal.update|invalid_stage"; got != want {
		t.Errorf("key %q, want %q", got, want)
	}
}

func TestNormalTakesOutWhatVaries(t *testing.T) {
	rows := []struct{ in, want string }{
		{"", ""},
		{"131047", "131047"},
		{"invalid_grant", "invalid_grant"},
		{"CONTACT_EXISTS", "contact_exists"},
		{"/properties/email", "/properties/email"},
		{"BAD_REQUEST_ERROR", "bad_request_error"},
		{"Contact already exists. Existing ID: 12345", "contact already exists. existing id: {number}"},
		{"No such customer: 'cus_NffrFeUfNV2Hib'", "no such customer: '{id}'"},
		{"pay_29QQoUBi66xm2f", "{id}"},
		{"asha@example.com is not valid", "{email} is not valid"},
		{"see https://example.com/x?y=1 now", "see {url} now"},
		{"order 6ba7b810-9dad-11d1-80b4-00c04fd430c8", "order {id}"},
		{"order SO-1001 unknown", "order {id} unknown"},
		{"call +91 98765 43210 failed", "call {number} failed"},
		{"a\n\tb\x00c", "a b c"},
	}
	for _, row := range rows {
		if got := watch.Normal(row.in); got != row.want {
			t.Errorf("Normal(%q) = %q, want %q", row.in, got, row.want)
		}
	}
}

func FuzzNormalIsBoundedAndSettles(f *testing.F) {
	for _, s := range []string{"", "131047", "No such customer: 'cus_NffrFeUfNV2Hib'", "asha@example.com", strings.Repeat("{x 1 ", 60)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := watch.Normal(s)
		if n := len([]rune(once)); n > 96 {
			t.Errorf("%d runes", n)
		}
		if twice := watch.Normal(once); twice != once {
			t.Errorf("%q became %q, then %q", s, once, twice)
		}
	})
}

func TestTheSentenceSaysHowThePlaceIs(t *testing.T) {
	// so many flows, of which each has so many things on a list
	flows := func(n int, blocked ...int) []waybill.FlowFigures {
		list := make([]waybill.FlowFigures, n)
		for i := range list {
			list[i].Flow = fmt.Sprintf("flow-%d", i)
		}
		for i, b := range blocked {
			list[i].Blocked = b
		}
		return list
	}
	asked := flows(6)
	asked[2].Asks = 1
	declined := waybill.Problem{Cause: waybill.DeclinedValue, Connection: "crm", State: waybill.ProblemNew, Lesser: true, Flows: []string{"flow-0", "flow-1", "flow-gone"}}
	down := waybill.Problem{Cause: waybill.TheirSideDown, Connection: "crm", Title: "HubSpot is not working right now", State: waybill.ProblemNew}
	signIn := waybill.Problem{Cause: waybill.SignInExpired, Connection: "slack", Title: "Slack wants us to sign in again", State: waybill.ProblemNew}
	limit := waybill.Problem{Cause: waybill.LimitReached, Connection: "crm", Title: "HubSpot asks us to slow down", State: waybill.ProblemNew}
	fixed := down
	fixed.State = waybill.ProblemFixed
	rows := []struct {
		name string
		o    waybill.Overview
		want string
	}{
		{"an empty place", waybill.Overview{}, "Nothing is set up yet. Add a flow, and what happens will show here."},
		{"a quiet place", waybill.Overview{Flows: flows(3)}, "All 3 flows are working. Nothing has come in since yesterday."},
		{"all is well", waybill.Overview{Flows: flows(6), Received: 9, Events: 9}, "All 6 flows are working. Nothing needs a person."},
		{"one flow", waybill.Overview{Flows: flows(1), Received: 9}, "Your flow is working. Nothing needs a person."},
		{"two things of one flow for a person", waybill.Overview{Flows: flows(6, 2), Blocked: 2}, "5 of 6 flows go on by themselves. 2 things need a person."},
		{"what came in and is not understood holds no flow up", waybill.Overview{Flows: flows(6), Blocked: 2}, "All 6 flows are working. 2 things need a person."},
		{"one flow of two stands still", waybill.Overview{Flows: flows(2, 0, 1), Blocked: 1}, "1 of 2 flows goes on by itself. 1 thing needs a person."},
		{"the only flow stands still", waybill.Overview{Flows: flows(1, 1), Blocked: 1}, "1 thing needs a person."},
		{"every flow stands still", waybill.Overview{Flows: flows(2, 1, 3), Blocked: 4}, "4 things need a person."},
		{"a question of one flow", waybill.Overview{Flows: asked, Asks: 1}, "5 of 6 flows go on by themselves. 1 thing needs a person."},
		{
			"parts of two flows failed, and the rest was done",
			waybill.Overview{Flows: flows(6), Received: 1, Problems: []waybill.Problem{declined}},
			"4 of 6 flows go on by themselves. 1 problem needs a person.",
		},
		{
			"more problems than are named",
			waybill.Overview{Flows: flows(6), Received: 1, Problems: []waybill.Problem{declined, declined, declined, declined, declined}},
			"4 of 6 flows go on by themselves. At least 5 problems need a person.",
		},
		{
			"a system wants a person to sign in",
			waybill.Overview{Flows: flows(6), Received: 1, Problems: []waybill.Problem{signIn}},
			"Slack wants us to sign in again; its work is kept and waits. 1 problem needs a person.",
		},
		{
			"one of each",
			waybill.Overview{Flows: flows(2, 1), Blocked: 1, Unknown: 1, Late: 1},
			"1 of 2 flows goes on by itself. 1 thing needs a person.",
		},
		{
			"a question waits, and a run stands still",
			waybill.Overview{Flows: flows(3, 1), Received: 1, Blocked: 1, Asks: 2},
			"2 of 3 flows go on by themselves. 3 things need a person.",
		},
		{
			"an answer was lost",
			waybill.Overview{Flows: flows(2), Received: 1, Unknown: 1, Late: 1},
			"Both flows are working. 1 answer was lost: it may or may not have happened.",
		},
		{"some are late", waybill.Overview{Flows: flows(2), Received: 1, Late: 2}, "Both flows are working. 2 are later than promised."},
		{
			"a system is down",
			waybill.Overview{Flows: flows(6), Received: 1, Problems: []waybill.Problem{down}},
			"HubSpot is not working right now; its work is kept and waits. Nothing needs a person.",
		},
		{
			"two systems are out",
			waybill.Overview{Flows: flows(6), Blocked: 1, Problems: []waybill.Problem{down, down, signIn}},
			"2 systems are out; their work is kept and waits. 1 thing needs a person.",
		},
		{
			"a limit and a fixed outage are no outage",
			waybill.Overview{Flows: flows(6), Received: 1, Problems: []waybill.Problem{limit, fixed}},
			"All 6 flows are working. Nothing needs a person.",
		},
	}
	for _, row := range rows {
		if diff := cmp.Diff(row.want, watch.Sentence(row.o)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", row.name, diff)
		}
	}
}

// TestFlowsForWhichNothingCameAreCountedAsWell and of those that are gone, only what still has work is.
func TestFlowsForWhichNothingCameAreCountedAsWell(t *testing.T) {
	seen := []waybill.FlowFigures{{Flow: "a", Done: 2}, {Flow: "gone", Done: 1}, {Flow: "left", Open: 1}}
	want := []waybill.FlowFigures{{Flow: "quiet"}, {Flow: "a", Done: 2}, {Flow: "left", Open: 1}}
	if diff := cmp.Diff(want, watch.OfFlows(seen, []string{"quiet", "a"})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
