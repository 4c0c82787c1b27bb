package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"time"

	"waybill"
	"waybill/engine"
	"waybill/record"
	"waybill/show"
	"waybill/simulator"
)

// The other commands talk to a running serve, which alone holds the book; where none runs they open the book
// themselves and ask the same handler in process. Either way there is one path.

func bytesReader(b []byte) io.Reader { return bytes.NewReader(b) }

// commandLine is as whom the commands of this machine come in.
const commandLine = "command line"

// local serves what only the owner of the book's folder may do: seal secrets, add people. It returns the token for that,
// which is good for the API too, at this process alone: others on the same book have their own.
func (a *app) local() (token string) {
	token = a.show.Access().Own(commandLine, show.Admin)
	a.mux.HandleFunc("POST /local/{act}", func(w http.ResponseWriter, r *http.Request) {
		given := r.Header.Get("Authorization")
		if subtle.ConstantTimeCompare([]byte(given), []byte("Bearer "+token)) != 1 {
			http.Error(w, "this is for the commands of this machine", http.StatusForbidden)
			return
		}
		var in localAct
		if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&in); err != nil {
			http.Error(w, "unreadable", http.StatusBadRequest)
			return
		}
		out, err := a.localAct(r.Context(), r.PathValue("act"), in)
		if err != nil {
			w.WriteHeader(http.StatusConflict)
			_ = json.NewEncoder(w).Encode(localAnswer{Error: err.Error(), Hint: waybill.HintOf(err)}) // the caller is gone
			return
		}
		_ = json.NewEncoder(w).Encode(localAnswer{Lines: out}) // the caller is gone
	})
	return token
}

type localAct struct {
	Name  string `json:"name,omitempty"`
	Value string `json:"value,omitempty"`
	Keep  bool   `json:"keep,omitempty"`
	// Secret is a value to be sealed, as it is: it need not be text.
	Secret []byte `json:"secret,omitempty"`
	Role   string `json:"role,omitempty"`
	// Press is a button to be pressed.
	Press *waybill.Act `json:"press,omitempty"`
	// Trigger is how a sample is varied; Name is then the connection and Value the sample.
	Trigger simulator.TriggerOptions `json:"trigger,omitzero"`
}

type localAnswer struct {
	Lines []string `json:"lines,omitempty"`
	Error string   `json:"error,omitempty"`
	Hint  string   `json:"hint,omitempty"`
}

const owner = "the command line"

// localAct does one of the owner's acts.
func (a *app) localAct(ctx context.Context, act string, in localAct) ([]string, error) {
	switch act {
	case "environment":
		return []string{a.env}, nil
	case "secret-set":
		return a.sealSecret(ctx, in)
	case "secret-remove":
		return nil, a.opened.removeSecret(ctx, in.Name, owner)
	case "secret-list":
		return a.opened.secretNames(ctx)
	case "user-add", "user-token", "user-remove", "user-list", "sign-in":
		return a.userAct(ctx, act, in)
	case "trigger":
		return a.sendSample(ctx, in)
	case "press":
		if in.Press == nil {
			return nil, &waybill.Error{Kind: waybill.Invalid, Message: "no button is named"}
		}
		return a.press(ctx, *in.Press)
	case "person-find":
		return a.opened.findPerson(ctx, in)
	case "person-erase":
		p, err := readPerson(in.Value)
		if err != nil {
			return nil, err
		}
		return a.erasePersonHere(ctx, p)
	case "erasures":
		return a.opened.erasures(ctx)
	case "erase-again":
		return a.opened.eraseAgain(ctx, in.Value)
	case "backup":
		return a.opened.backup(ctx, in.Name)
	case "backups":
		return a.opened.backups(ctx)
	case "restore-mark":
		return a.opened.markRestored(ctx, in.Name)
	case "restore-status":
		return a.opened.restoreStatus(ctx)
	case "restore-confirm":
		said, err := a.engine.Act(ctx, waybill.Act{Who: owner, Verb: waybill.VerbResume, Object: engine.RestoredObject, Reason: in.Value})
		return []string{said}, err
	default:
		return nil, &waybill.Error{Kind: waybill.NotFound, Message: "no such act"}
	}
}

// line is a way to the book: to a running serve, or to one opened for this command alone.
type line struct {
	client *http.Client
	base   string
	token  string
	env    string // the environment of the book
	live   bool   // somebody serves the book, and carries on what is begun here
	close  func() error
}

// dial finds the running serve of a book, or opens the book for this command. One that serves another environment than the
// one that is named is refused.
func (m *Main) dial(ctx context.Context, dir, database, env string) (*line, error) {
	p, err := m.place(dir, database)
	if err != nil {
		return nil, err
	}
	if l := m.running(ctx, p); l != nil {
		return l, l.serves(env)
	}
	known, err := record.Exists(ctx, p.database)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, &waybill.Error{
			Kind: waybill.NotFound, Message: "there is no book at " + p.shown(),
			Hint: "one is made by: waybill serve " + dir + ", or waybill secret set",
		}
	}
	return m.open(ctx, p, dir, env)
}

// serves refuses another environment than the served one; none is named by "".
func (l *line) serves(env string) error {
	if env == "" || env == l.env {
		return nil
	}
	return &waybill.Error{
		Kind: waybill.Conflict, Message: fmt.Sprintf("the waybill that runs here serves the environment %q, not %q; nothing was done", l.env, env),
		Hint: fmt.Sprintf("a book serves exactly one environment: leave --env and WAYBILL_ENV out or say %s, or name the book of %s with --dir or --database", l.env, env),
	}
}

// environment is the one that a command is for: as it is told, else that of the running serve, else offline.
func (m *Main) environment(ctx context.Context, where bookFlags) (string, error) {
	p, err := m.place(m.dir([]string{where.dir}), where.database)
	if err != nil {
		return "", err
	}
	if l := m.running(ctx, p); l != nil {
		return l.env, l.serves(where.env)
	}
	return cmp.Or(where.env, offline), nil
}

// running finds a serve that has the book open, by the files they leave beside it; nil when there is none.
func (m *Main) running(ctx context.Context, p place) *line {
	for _, path := range servingFiles(p) {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var s serving
		if err := json.Unmarshal(text, &s); err != nil {
			continue
		}
		l := &line{
			client: &http.Client{Timeout: 30 * time.Second, Transport: trusting(s.Certificate, false)},
			base:   s.Address, token: s.Token, live: true, close: func() error { return nil },
		}
		if said, err := l.act(ctx, "environment", localAct{}); err == nil && len(said) == 1 { // one that was killed leaves its file behind
			l.env = said[0]
			return l
		}
	}
	return nil
}

// open makes the handler over the book in this process.
func (m *Main) open(ctx context.Context, p place, dir, env string) (*line, error) {
	env = cmp.Or(env, offline)
	ws, faults, err := m.load(dir, env)
	if err != nil {
		return nil, err
	}
	if ws == nil {
		return nil, m.refuse(dir, faults, m.Stderr)
	}
	a, err := m.assemble(ctx, setup{place: p, env: env, publicURL: "http://local", ws: ws, log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	if a.opened.newKey {
		fmt.Fprintln(m.Stderr, keyNote(p.keyFile)+"\n")
	}
	return &line{
		client: &http.Client{Transport: inProcess{a.mux}}, base: "http://local", token: a.local(), env: env,
		live: a.opened.served(ctx), close: a.opened.book.Close,
	}, nil
}

// served reports whether nodes on other machines serve the book; a book in a file is opened only when nobody does.
func (o *opened) served(ctx context.Context) bool {
	if !o.shared {
		return false
	}
	found := false
	err := o.book.View(ctx, func(tx *record.Tx) error {
		now, err := tx.Clock()
		if err != nil {
			return err
		}
		list, err := tx.Nodes()
		found = slices.ContainsFunc(list, func(n waybill.Node) bool { return n.State() == "working" && n.Until.After(now) })
		return err
	})
	return err == nil && found
}

// whenItHappens says when what was begun here is carried on: this command itself does nothing but note it.
func (l *line) whenItHappens() string {
	if l.live {
		return "The waybill that serves this book carries it on."
	}
	return "Nothing serves this book now: it goes on when waybill serve runs. Nothing is sent before."
}

// act does one of the owner's acts.
func (l *line) act(ctx context.Context, name string, in localAct) ([]string, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.base+"/local/"+name, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+l.token)
	res, err := l.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var out localAnswer
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		return nil, errors.New(res.Status)
	}
	if out.Error != "" {
		return nil, &waybill.Error{Kind: waybill.Conflict, Message: out.Error, Hint: out.Hint}
	}
	return out.Lines, nil
}

// get asks the API.
func (l *line) get(ctx context.Context, path string) ([]byte, error) {
	return l.ask(ctx, http.MethodGet, path, http.NoBody)
}

// post acts through the API.
func (l *line) post(ctx context.Context, path string, in any) ([]byte, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	return l.ask(ctx, http.MethodPost, path, bytes.NewReader(body))
}

func (l *line) ask(ctx context.Context, method, path string, in io.Reader) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, l.base+path, in)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+l.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := l.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		return nil, refusal(res, body)
	}
	return body, nil
}

// refusal turns a problem document back into an error.
func refusal(res *http.Response, body []byte) error {
	var p struct{ Title, Detail, Hint string }
	_ = json.Unmarshal(body, &p) // then the status says it
	if p.Detail == "" {
		p.Detail = res.Status
	}
	kind := waybill.NotFound
	switch res.StatusCode {
	case http.StatusConflict:
		kind = waybill.Conflict
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		kind = waybill.Invalid
	}
	return &waybill.Error{Kind: kind, Message: p.Detail, Hint: p.Hint}
}

// inProcess calls a handler without a network.
type inProcess struct{ handler http.Handler }

func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RemoteAddr = "127.0.0.1:0"
	in.Host = r.URL.Host
	w := &answer{header: http.Header{}, status: http.StatusOK}
	t.handler.ServeHTTP(w, in)
	return &http.Response{StatusCode: w.status, Status: http.StatusText(w.status), Header: w.header, Body: io.NopCloser(&w.body), Request: r}, nil
}

// answer keeps what a handler in process answers.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header, Write and WriteHeader make it an http.ResponseWriter.
func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
func (a *answer) WriteHeader(status int)      { a.status = status }
