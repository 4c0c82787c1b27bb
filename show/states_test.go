package show_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/show"
	"waybill/show/showtest"
)

// plain is a page without its tags, so that a sentence reads as one.
func plain(t *testing.T, p *place, path string) string {
	t.Helper()
	asha := p.signIn(t, "asha", show.Operator)
	html := text(t, p.ask(t, http.MethodGet, path, "", asha))
	var out strings.Builder
	for part := range strings.SplitSeq(html, "<") {
		if _, words, ok := strings.Cut(part, ">"); ok {
			out.WriteString(words)
		}
	}
	return out.String()
}

func TestTheOverviewTellsOfEachNodeOnceThereAreSeveralAndOfOneThatWasLost(t *testing.T) {
	b := showtest.Nodes(now)
	for _, c := range []struct {
		name   string
		nodes  []waybill.Node
		want   []string
		unsaid string
	}{
		{"none speaks of a book that one process has to itself", b.NodeList[:1], nil, "Nodes"},
		{"two", b.NodeList[:2], []string{"blue", "10.0.3.11:8443", "Works.", "Works, but it cannot serve the newest version of the workspace: the connection crm has no secret."}, "heard"},
		{"one was lost", b.NodeList, []string{"red", "Has not been heard of for 9m; its work moved to blue and those beside it at 11:46:10."}, "Red has"},
		{"the one left beside a lost one", b.NodeList[2:], []string{"red", "Has not been heard of for 9m"}, "blue10"},
	} {
		t.Run(c.name, func(t *testing.T) {
			place := showtest.Rich(now)
			place.NodeList = c.nodes
			page := plain(t, open(t, place), "/")
			for _, want := range c.want {
				if !strings.Contains(page, want) {
					t.Errorf("the overview does not say %q", want)
				}
			}
			if strings.Contains(page, c.unsaid) {
				t.Errorf("the overview says %q", c.unsaid)
			}
		})
	}
	left := b.NodeList[2]
	left.Lost = false
	old := b.NodeList[2]
	old.GoneAt = now.Add(-25 * time.Hour)
	place := showtest.Rich(now)
	place.NodeList = []waybill.Node{b.NodeList[0], left, old}
	if page := plain(t, open(t, place), "/"); strings.Contains(page, "Nodes") {
		t.Error("the overview tells of a node that left, or that was lost long ago")
	}
}

func TestTheNodesAreInTheAPIAsOnThePage(t *testing.T) {
	p := open(t, showtest.Nodes(now))
	got := text(t, p.ask(t, http.MethodGet, "/api/v1/nodes", "", p.signIn(t, "asha", show.Viewer)))
	for _, want := range []string{`"name":"red"`, `"state":"lost"`, "red has not been heard of for 9m", `"trouble":"it cannot serve`} {
		if !strings.Contains(got, want) {
			t.Errorf("the API does not say %s: %s", want, got)
		}
	}
}

func TestABookThatWasRestoredSaysWhatIsNotKnownAndWhatLettingItSendDoes(t *testing.T) {
	page := plain(t, open(t, showtest.Restored(now)), "/")
	for _, want := range []string{
		"Nothing is sent: the book was restored, and nobody has looked yet.", "restored from a backup of Mon 23 Nov 05:55", "started Mon 23 Nov 11:35",
		"2 things that may have been sent", "I have seen it: let Waybill send", "repeating it does no harm",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the overview does not say %q", want)
		}
	}
}

func TestWhatWasDoneAndIsNoLongerSoIsNotCalledDone(t *testing.T) {
	b := showtest.Rich(now)
	undone := b.Journeys[showtest.ID("evt", 8965)]
	effects := undone.Runs[0].Effects
	for _, c := range []struct {
		name    string
		change  func()
		want    []string
		unwants string
	}{
		{"an undoing met what others wrote", func() {}, []string{"Undo needs a person", "1 step was undone; undoing another waits for a person: what is there is no longer what we wrote", "Held, not sent", "Undo: held, not sent"}, "It took"},
		{"an undoing waits for the one before it", func() {
			effects[2].Effect.State, effects[0].Effect.State = waybill.EffectSent, waybill.EffectConfirmed
			effects[3].Effect.After = effects[2].Effect.ID
		}, []string{"Being undone", "It waits until “Undo: Mark the deal as won” is settled"}, "Held, not sent"},
		{"a read comes first", func() {
			effects[3].Effect.After = ""
			effects[3].Lookups = []waybill.FetchView{{Fetch: waybill.Fetch{ID: "fet_1", State: waybill.FetchPlanned}}}
		}, []string{"Being undone"}, "Held, not sent"},
		{"one stays", func() {
			effects[2].Effect.State, effects[0].Effect.State = waybill.EffectConfirmed, waybill.EffectUndone
			effects[3].Effect.State, effects[3].Lookups = waybill.EffectSkipped, nil
		}, []string{"Done, part undone", "1 step was undone, and 1 stays"}, "Held, not sent"},
		{"all of it", func() {
			effects[1].Effect.State, effects[3].Effect.State = waybill.EffectUndone, waybill.EffectConfirmed
		}, []string{"all of it was undone since"}, "part undone"},
	} {
		c.change()
		page := plain(t, open(t, b), "/events/"+showtest.ID("evt", 8965))
		for _, want := range c.want {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the journey does not say %q", c.name, want)
			}
		}
		if strings.Contains(page, c.unwants) {
			t.Errorf("%s: the journey says %q", c.name, c.unwants)
		}
	}
}

func TestWhatWasLeftOutSaysWhyOnTheFirstLineInTheTimeOfThePlace(t *testing.T) {
	page := plain(t, open(t, showtest.Rich(now)), "/events/"+showtest.ID("evt", 8972))
	for _, want := range []string{
		"Done, 2 steps left out", "Left out: “Mark the deal as won” (late, no effect: a newer fact was already written) and 1 more", "Too late: it was good until 07:55:00.",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the journey does not say %q", want)
		}
	}
}

func TestAConnectionThatDoesNotWorkSaysWhyAndWhatThatMeans(t *testing.T) {
	page := plain(t, open(t, showtest.Rich(now)), "/connections/team")
	want := "Slack said token_revoked. A person has to renew the key. The work is kept."
	if !strings.Contains(page, want) {
		t.Errorf("the page does not say %q", want)
	}
}

func TestARunThatWasStoppedToBeRunAgainStandsForNothing(t *testing.T) {
	b := showtest.Rich(now)
	id := showtest.ID("evt", 8972)
	j := b.Journeys[id]
	again := j.Runs[0]
	again.Run.ID, again.Run.Repeats, again.Run.Mode = waybill.RunID(showtest.ID("run", 9999)), j.Runs[0].Run.ID, waybill.ModeReplay
	again.Effects = nil
	j.Runs[0].Run.State, j.Runs[0].Run.Reason = waybill.RunStopped, "it runs again on the version of today"
	j.Runs = append(j.Runs, again)
	page := plain(t, open(t, b), "/events/"+id)
	if _, end, ok := strings.Cut(page, "Took"); !ok || !strings.HasPrefix(strings.TrimSpace(end), "1.4 s") || strings.Contains(page[:strings.Index(page, "Took")], "Stopped") {
		t.Errorf("the head says %q", page[:strings.Index(page, "Took")])
	}
}
