package prove

import (
	"strings"
	"testing"
	"testing/fstest"

	"waybill"
)

// visits is a workspace of an own noun, which nothing but its tests tells.
func visits(test string) fstest.MapFS {
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"waybill.yaml":          "workspace: inn\nzone: Asia/Kolkata\ncurrency: INR\nregion: IN\nowners:\n  desk: {email: desk@inn.example}\n",
		"connections/door.yaml": "connection: door\nconnector: http\nsettings: {account_id: door}\n",
		"connections/book.yaml": "connection: book\nconnector: http\nsettings: {account_id: book, base_url: \"https://book.example\"}\n",
		"events/visit.yaml": `noun: visit
title: Visit
subject: ["Visit ${id}"]
schema:
  type: object
  required: [id, guest]
  properties: {id: {type: string}, guest: {type: string}}
events:
  booked: {title: A guest has booked a visit, rank: 10, fact: the visit}
`,
		"events/door.yaml": `connection: door
mappings:
  - on: visit.new
    event: visit.booked
    key: string(body.id)
    data: {id: "${string(body.id)}", guest: "${string(body.name)}"}
`,
		"flows/seat.yaml": `flow: seat
title: A visit that is booked gets its seat
owner: desk
on: visit.booked
steps:
  - id: seat
    do: book.request.post
    with: {path: /seats, body: {visit: "${visit.id}", guest: "${visit.guest}"}}
`,
		"tests/body.json": `{"id": "V-9", "type": "visit.new", "name": "Asha"}`,
		"tests/seat.yaml": test,
	} {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

func TestWhatATestGivesAsABodyIsProven(t *testing.T) {
	for what, given := range map[string]string{
		"a body": `body: {id: V-1, type: visit.new, name: Ravi}`,
		"a file": `file: body.json`,
	} {
		t.Run(what, func(t *testing.T) {
			ws := versions(t, visits("test: a booked visit is seated\ngiven:\n  - arrives: door\n    "+given+"\nexpect:\n  runs: {seat: done}\n"))
			r, err := Run(t.Context(), ws, Options{Seeds: 4, Quick: true, Dir: "inn"})
			if err != nil {
				t.Fatal(err)
			}
			wantHeld(t, r)
			if len(r.Unreached) > 0 || len(r.Steps) != 1 || r.Counts.Cases == 0 || r.Counts.Seeds != 4 {
				t.Errorf("%+v; steps: %v, unreached: %v", r.Counts, r.Steps, r.Unreached)
			}
			if r.Counts.Events < r.Counts.Worlds {
				t.Errorf("hardly anything happened: %+v", r.Counts)
			}
		})
	}
}

func TestInRandomWorldsABodyTellsOfSeveralObjects(t *testing.T) {
	ws := versions(t, visits("test: a booked visit is seated\ngiven:\n  - {arrives: door, body: {id: V-1, type: visit.new, name: Ravi}}\n"))
	runs := map[int]int{}
	for _, seeds := range []int{0, 3} {
		r, err := Run(t.Context(), ws, Options{Seeds: seeds, NoCases: true, Arrivals: 12, Dir: "inn"})
		if err != nil {
			t.Fatal(err)
		}
		wantHeld(t, r)
		runs[seeds] = r.Counts.Events
	}
	if n := runs[3] - runs[0]; n < 6 { // two each
		t.Errorf("%d runs in three random worlds: a body is always about the same object", n)
	}
}

func TestAProofInWhichNoFlowRunsIsRefusedWithWords(t *testing.T) {
	ws := versions(t, visits("test: nothing known comes in\ngiven:\n  - {arrives: door, body: {id: V-1, type: visit.lost, name: Ravi}}\n"))
	_, err := Run(t.Context(), ws, Options{Seeds: 3, Dir: "inn"})
	if waybill.KindOf(err) != waybill.Invalid {
		t.Fatalf("a proof of nothing gives %v", err)
	}
	for _, part := range []string{"nothing was proven", "seat (flows/seat.yaml:1)"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}
