package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// One thing as people read it: the journey of an event, run, effect or question, or a problem with what it holds. --json has
// all there is.

// shown is a document of the API.
type shown map[string]any

func readShown(body []byte) (shown, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v shown
	err := d.Decode(&v)
	return v, err
}

// text is the value at a path as it stands, in one line.
func (v shown) text(path string) string {
	x := field(v, path)
	if x == nil {
		return ""
	}
	return strings.Join(strings.Fields(fmt.Sprint(x)), " ")
}

// at is a time at a path, by the clock of who reads.
func (v shown) at(path string) string { return cell(field(v, path)) }

func (v shown) list(path string) []shown {
	rows, _ := field(v, path).([]any)
	out := make([]shown, 0, len(rows))
	for _, r := range rows {
		if one, ok := r.(map[string]any); ok {
			out = append(out, one)
		}
	}
	return out
}

// line prints the parts that are not empty.
func (m *Main) line(indent int, parts ...string) {
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	fmt.Fprintln(m.Stdout, strings.Repeat("  ", indent)+strings.Join(parts, "  "))
}

// because puts a reason behind a dash.
func because(reason string) string {
	if reason == "" {
		return ""
	}
	return "- " + reason
}

// values prints a JSON object, a line for each value.
func (m *Main) values(indent int, v any) {
	object, _ := v.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		text, isText := object[name].(string)
		if !isText {
			raw, err := json.Marshal(object[name])
			if err != nil {
				continue
			}
			text = string(raw)
		}
		m.line(indent, name+": "+text)
	}
}

// tellJourney prints the whole way of an event: what came in, what it means, who looked at it, what was done.
func (m *Main) tellJourney(v shown) {
	if ev, ok := v["event"].(map[string]any); ok {
		e := shown(ev)
		m.line(0, e.text("type"), e.text("subject"))
		m.line(1, e.text("id"), "accepted "+e.at("accepted_at"))
		m.values(2, ev["data"])
	}
	if item, ok := v["item"].(map[string]any); ok {
		it := shown(item)
		m.line(0, "Came in by "+it.text("connection")+": "+it.text("type"), it.text("id"), it.text("state"), because(it.text("reason")))
	}
	for _, c := range v.list("event.considered") {
		if c.text("matched") != "true" {
			m.line(0, "Not for "+c.text("flow"), because(c.text("reason")))
		}
	}
	for _, r := range v.list("runs") {
		m.line(0, "Run of "+r.text("flow"), r.text("id"), r.text("state"), because(r.text("reason")))
		for _, q := range r.list("asks") {
			m.line(1, q.text("address"), q.text("question"), q.text("state"), q.text("by"), because(q.text("reason")))
		}
		for _, f := range r.list("fetches") {
			m.line(1, f.text("address"), "looked up "+f.text("connection")+"."+f.text("action"), f.text("state"), because(f.text("reason")))
		}
		for _, e := range r.list("effects") {
			m.tellEffect(e)
		}
	}
	for _, a := range v.list("audit") {
		m.line(0, a.at("at"), a.text("who"), a.text("action"), a.text("object"), because(a.text("reason")))
	}
	for _, p := range v.list("problems") {
		m.line(0, "Problem: "+p.text("explanation.title"), p.text("id"), because(p.text("explanation.do")))
	}
}

// tellEffect prints one outside write with what it wrote and each try.
func (m *Main) tellEffect(e shown) {
	m.line(1, e.text("address"), e.text("connection")+"."+e.text("action"), e.text("id"), e.text("state"), because(e.text("reason")))
	m.values(3, e["inputs"])
	for _, a := range e.list("attempts") {
		m.line(2, a.at("started_at"), a.text("method")+" "+a.text("url"), "answered "+a.text("status"), a.text("certainty"), a.text("cause"), because(a.text("error")))
	}
}

// tellProblem prints a problem in its fixed lines, and what it holds.
func (m *Main) tellProblem(v shown) {
	m.line(0, v.text("explanation.title"))
	m.line(1, v.text("id"), v.text("state"), v.text("count")+" now, "+v.text("total")+" ever", "first "+v.at("first_at"), "last "+v.at("last_at"))
	for _, l := range [][2]string{{"what it means", "means"}, {"who", "who"}, {"what to do", "do"}, {"if nobody does", "if_nothing"}, {"is a retry safe", "safe"}} {
		m.line(1, l[0]+": "+v.text("explanation."+l[1]))
	}
	if _, in := v["flows"]; in {
		m.line(1, "flows: "+plainly(v["flows"]))
	}
	if said := v.text("detail"); said != "" {
		m.line(1, "their words: "+said)
	}
	for _, x := range v.list("members") {
		m.line(1, x.at("at"), x.text("item"), x.text("run"), x.text("effect"), x.text("fetch"), x.text("connection"), x.text("event"))
	}
}
