package show

import (
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"waybill"
	"waybill/watch"
)

//go:embed pages/*.html
var pageFiles embed.FS

// pages are the templates, by the name of their file.
type pages map[string]*template.Template

// view is what every template gets: the frame around the page, and the page's own typed struct.
type view struct {
	Frame frame
	Page  any
}

// frame is what is around every page.
type frame struct {
	Title  string
	Here   string // the entry of the bar that is lit
	Path   string // this page's own address, for its live fragment and for coming back
	Person Person
	Place  Place
	Theme  string // light, dark, or empty for the system's
	Next   string // the theme the switch goes to
	Needs  int    // open problems that need a person
	Live   string // the kinds of change at which the page asks for itself again
	Search string
	Said   *said
}

// May reports whether the person may do what needs a role.
func (f frame) May(role string) bool { return f.Person.Role.may(Role(role)) }

// said is the sentence after an act.
type said struct {
	Text string
	Bad  bool
}

// acts are the buttons of one object, and where to come back to.
type acts struct {
	Back    string
	Buttons buttons
}

// liveKinds are the changes at which a page asks for itself again. The lists of events are not among them: their rows
// never move under the cursor.
var liveKinds = map[string]string{
	"overview": "event run effect problem connection item rejection", "journey": "run effect event item problem",
	"problems": "problem run", "problem": "problem effect run", "connections": "connection effect item", "connection": "connection effect problem",
	"rejections": "rejection",
}

func (s *Server) loadPages() (pages, error) {
	names, err := fs.Glob(pageFiles, "pages/*.html")
	if err != nil {
		return nil, err
	}
	p := pages{}
	for _, name := range names {
		base := strings.TrimSuffix(path.Base(name), ".html")
		if base == "layout" || base == "parts" || base == "icons" {
			continue
		}
		t, err := template.New("layout.html").Funcs(s.functions()).ParseFS(pageFiles, "pages/layout.html", "pages/parts.html", "pages/icons.html", name)
		if err != nil {
			return nil, fmt.Errorf("read the page %s: %w", base, err)
		}
		p[base] = t
	}
	return p, nil
}

func (s *Server) functions() template.FuncMap {
	return template.FuncMap{
		"clock": s.clock, "ago": s.ago, "full": s.full, "when": s.when, "between": between, "spell": spell,
		"icon": icon, "spark": spark, "bar": bar, "barcode": barcode,
		"file": s.files.address, "say": sayName, "shorten": shorten, "count": count, "n": func(n int) string { return grouped(strconv.Itoa(n), false) }, "lower": strings.ToLower, "base": path.Base, "expression": expression,
		"body": showBody, "share": func(tone string, n int) share { return share{tone, n} },
		"eventPath": func(id waybill.EventID) string { return "/events/" + string(id) },
		"acts":      func(f frame, b buttons) acts { return acts{f.Path, b} },
		"ask":       func(f frame, q *askView) askOn { return askOn{f, q} },
		"sentence":  func(text string) string { return sentence(s.here(text)) }, "pastRetention": func(id waybill.ItemID) bool { return id == waybill.PastRetention },
		"run": runTone, "item": itemTone, "message": messageTone, "verdict": verdictTone,
	}
}

// icon is a picture from the page's own sprite. Names are ours only.
func icon(name string) template.HTML {
	return template.HTML(`<svg class="icon" aria-hidden="true"><use href="#i-` + template.HTMLEscapeString(name) + `"/></svg>`) // escaped
}

// count says a number with its word: 1 event, 12 events.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(strconv.Itoa(n), false) + " " + many
}

// show answers with a page, or, for a live page that asks for its own fragment, with its block "main" alone.
func (s *Server) show(w http.ResponseWriter, r *http.Request, name, title string, page any) error {
	s.write(w, r, answer{http.StatusOK, name, title, page})
	return nil
}

// answer is a page with its status.
type answer struct {
	Status int
	Name   string
	Title  string
	Page   any
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, a answer) {
	v := view{s.frame(w, r, a.Title), a.Page}
	v.Frame.Live = liveKinds[a.Name]
	block := "layout.html"
	if r.Header.Get("HX-Request") != "" {
		block = "main"
	}
	var out bytes.Buffer
	if err := s.pages[a.Name].ExecuteTemplate(&out, block, v); err != nil {
		s.log.ErrorContext(r.Context(), "a page could not be written", "page", a.Name, "error", err)
		http.Error(w, "This page could not be written. Nothing was changed. Look into the log of the server.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "HX-Request, Accept-Encoding")
	send(w, r, a.Status, plainDirection(out.Bytes()))
}

// send writes bytes, compressed where the browser takes it.
func send(w http.ResponseWriter, r *http.Request, status int, raw []byte) {
	if len(raw) > 1024 && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(status)
		z := gzip.NewWriter(w)
		_, _ = z.Write(raw)
		_ = z.Close()
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

// plainDirection makes characters visible that would turn the direction of the text after them: with them a name could
// make a page say something else than it does.
func plainDirection(page []byte) []byte {
	if !bytes.Contains(page, []byte("\xe2\x80")) && !bytes.Contains(page, []byte("\xe2\x81")) {
		return page
	}
	for _, r := range "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069" {
		page = bytes.ReplaceAll(page, []byte(string(r)), fmt.Appendf(nil, "[U+%X]", r))
	}
	return page
}

// frame gathers what is around a page. What it cannot read it leaves out: the page itself matters more.
func (s *Server) frame(w http.ResponseWriter, r *http.Request, title string) frame {
	f := frame{
		Title: title, Here: here(r.URL.Path), Path: r.URL.RequestURI(), Person: person(r), Place: s.names.Place(),
		Search: r.URL.Query().Get("q"),
	}
	if c, err := r.Cookie("waybill_theme"); err == nil && (c.Value == "light" || c.Value == "dark") {
		f.Theme = c.Value
	}
	f.Next = map[string]string{"": "light", "light": "dark", "dark": "auto"}[f.Theme]
	if f.Person.Role != public && r.Header.Get("HX-Request") == "" {
		f.Needs = s.needsPerson(r.Context())
		f.Said = takeSaid(w, r)
	}
	return f
}

// here is the bar's entry for an address.
func here(p string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/")
	switch first {
	case "":
		return "overview"
	case "items", "rejections":
		return "events"
	default:
		return first
	}
}

// needsPerson counts the open problems that do not go on by themselves.
func (s *Server) needsPerson(ctx context.Context) int {
	list, _, err := s.reader.Problems(ctx, waybill.ListFilter{State: "open", Limit: 100})
	if err != nil {
		return 0
	}
	n := 0
	for _, p := range list {
		if watch.NeedsPerson(p) {
			n++
		}
	}
	return n
}

// leaveSaid keeps the sentence after an act for the next page; takeSaid reads it once.
func leaveSaid(w http.ResponseWriter, text string, bad bool) {
	mark := "g"
	if bad {
		mark = "b"
	}
	http.SetCookie(w, &http.Cookie{
		Name: "waybill_said", Value: mark + base64.RawURLEncoding.EncodeToString([]byte(shorten(text, 600))), Path: "/",
		MaxAge: 60, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func takeSaid(w http.ResponseWriter, r *http.Request) *said {
	c, err := r.Cookie("waybill_said")
	if err != nil || len(c.Value) < 2 {
		return nil
	}
	http.SetCookie(w, &http.Cookie{Name: "waybill_said", Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	text, err := base64.RawURLEncoding.DecodeString(c.Value[1:])
	if err != nil {
		return nil
	}
	return &said{Text: string(text), Bad: c.Value[0] == 'b'}
}

// theme remembers light, dark or the system's own in a cookie, so that the first paint is right.
func (s *Server) theme(w http.ResponseWriter, r *http.Request) error {
	theme := r.PostFormValue("theme")
	if theme != "light" && theme != "dark" {
		theme = ""
	}
	http.SetCookie(w, &http.Cookie{
		Name: "waybill_theme", Value: theme, Path: "/", MaxAge: int((365 * 24 * time.Hour).Seconds()), HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	})
	http.Redirect(w, r, pathOnly(r.PostFormValue("back")), http.StatusSeeOther)
	return nil
}
