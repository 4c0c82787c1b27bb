package engine_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/fstest"
	"time"

	"waybill"
	"waybill/simulator"
)

// TestARefreshTokenThatRotatesIsKeptOverARestart plays a system that takes each refresh token once.
func TestARefreshTokenThatRotatesIsKeptOverARestart(t *testing.T) {
	ws := load(t, rotating())
	r := newRig(t, ws)
	for name, sealed := range ws.Connections["own"].Secrets {
		r.secrets[sealed] = name + "-0"
	}
	used := 0
	r.answer = func(connection, action string) *http.Response {
		switch {
		case connection != "own":
			return nil
		case action == "":
			used++
			return says(200, fmt.Sprintf(`{"access_token":"a%d","refresh_token":"r%d","expires_in":600}`, used, used))
		default:
			return says(200, `{"id":"n1"}`)
		}
	}
	pay(r)
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
	sealed := ws.Connections["own"].Secrets["refresh_token"]
	if got := r.secrets[sealed]; got != "r1" {
		t.Errorf("sealed is %q, want the token that took its place", got)
	}
	r.run(time.Hour)
	r.restart()
	pay2(r, "SO-2")
	if got := r.secrets[sealed]; got != "r2" {
		t.Errorf("sealed is %q", got)
	}
}

// TestAGenuineSenderIsNoStrangerWhenItsSecretCannotBeRead: a provider that is told 401 may give up, or end the subscription.
func TestAGenuineSenderIsNoStrangerWhenItsSecretCannotBeRead(t *testing.T) {
	r := newRig(t, oneStep(t, messageStep))
	hook := r.hooks("pay", "payment_intent.succeeded", simulator.TriggerOptions{})[0]
	r.noSecret = &waybill.Error{Kind: waybill.Unavailable, Message: "the database is away"}
	if code := post(t.Context(), r.intake, hook); code != http.StatusServiceUnavailable {
		t.Errorf("it answers %d", code)
	}
	r.noSecret = nil
	if code := post(t.Context(), r.intake, hook); code != http.StatusOK {
		t.Errorf("later it answers %d", code)
	}
	r.run(time.Minute)
	r.wantRun(r.onlyRun(), waybill.RunDone, "")
}

// rotating is a workspace with a connection whose refresh token rotates.
func rotating() fstest.MapFS {
	return files(map[string]string{
		"connectors/own/manifest.yaml": `connector: own
title: Own
summary: Takes notes.
version: 1
secrets:
  client_id: {title: Id, required: true}
  client_secret: {title: Secret, required: true}
  refresh_token: {title: Token, required: true}
base_url: {all: "https://own.example.com"}
sign_in: {kind: oauth2, grant: refresh_token, token_url: "https://own.example.com/token", user: client_id, pass: client_secret, secret: refresh_token}
actions:
  note.add:
    title: Add a note
    kind: add
    repeat: never
    input: {properties: {text: {type: string}}, required: [text]}
    request: {method: POST, path: /notes, json: {text: "${input.text}"}}
    output: {properties: {id: {type: string}}, required: [id]}
    answer: {id: "${body.id}"}
    undo: {cannot: Delete it there.}
`,
		"connections/own.yaml": "connection: own\ntitle: Own\nconnector: own\n",
		"flows/one.yaml":       "flow: one\ntitle: One\nowner: ops\non: payment.succeeded\nsteps:\n  - id: write\n    do: own.note.add\n    with: {text: hello}\n",
	})
}
