package workspace

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"
	_ "time/tzdata" // a workspace's zone is known on every machine

	"golang.org/x/text/currency"
	"golang.org/x/text/language"

	"waybill"
	"waybill/flow"
	"waybill/source"
)

const settingsFile = "waybill.yaml"

// rawSettings is waybill.yaml as it is written.
type rawSettings struct {
	Workspace source.Text      `yaml:"workspace,required"`
	Title     string           `yaml:"title"`
	Zone      source.Text      `yaml:"zone"`
	Currency  source.Text      `yaml:"currency"`
	Region    source.Text      `yaml:"region"`
	Holidays  []source.Text    `yaml:"holidays"`
	Hours     *source.Node     `yaml:"business_hours"`
	Retention rawRetention     `yaml:"retention"`
	Owners    map[string]Owner `yaml:"owners"`
	Approve   []source.Text    `yaml:"approve,one_or_more"`
	Node      *source.Node     `yaml:",node"`
}

// rawRetention is how long each part is kept, as it is written: a time span, or forever.
type rawRetention struct {
	Bodies     source.Text `yaml:"bodies"`
	Exchanges  source.Text `yaml:"exchanges"`
	Journeys   source.Text `yaml:"journeys"`
	Rejections source.Text `yaml:"rejections"`
	Figures    source.Text `yaml:"figures"`
	Audit      source.Text `yaml:"audit"`
}

// shortest is the least a part of the book can be kept: work that is under way is never older.
const shortest = 24 * time.Hour

// retention reads how long parts of the book are kept; what is not written is kept as long as by default.
func (l *loader) retention(raw rawRetention) Retention {
	r := DefaultRetention()
	for _, part := range []struct {
		text source.Text
		to   *time.Duration
	}{
		{raw.Bodies, &r.Bodies},
		{raw.Exchanges, &r.Exchanges},
		{raw.Journeys, &r.Journeys},
		{raw.Rejections, &r.Rejections},
		{raw.Figures, &r.Figures},
		{raw.Audit, &r.Audit},
	} {
		switch part.text.Value {
		case "":
		case "forever":
			*part.to = 0
		default:
			d, err := source.ParseDuration(part.text.Value)
			if err != nil || d < shortest {
				l.fault("E376", part.text.Span, fmt.Sprintf("%q is no time to keep something.", part.text.Value), "Write days, 1d or more: 90d; or forever.")
				continue
			}
			*part.to = d
		}
	}
	for _, told := range []*time.Duration{&r.Bodies, &r.Exchanges} {
		if r.Journeys > 0 && (*told == 0 || *told > r.Journeys) {
			*told = r.Journeys
		}
	}
	return r
}

var (
	currencyPattern = regexp.MustCompile(`^[A-Z]{3}$`)
	regionPattern   = regexp.MustCompile(`^[A-Z]{2}$`)
)

// settings reads waybill.yaml.
func (l *loader) settings() {
	l.w.Zone = time.UTC
	text, ok := l.files[settingsFile]
	if !ok {
		l.fault("E350", at(settingsFile), "This folder has no waybill.yaml, so it is no workspace.", "Write one with: waybill init")
		return
	}
	l.used[settingsFile] = true
	n, faults := source.Parse(settingsFile, text)
	l.add(faults)
	if n == nil {
		return
	}
	var raw rawSettings
	l.add(source.Decode(n, &raw))
	w := l.w
	w.Name, w.Title, w.Region, w.Currency = raw.Workspace.Value, raw.Title, raw.Region.Value, raw.Currency.Value
	w.Retention = l.retention(raw.Retention)
	if w.Name != "" && !namePattern.MatchString(w.Name) {
		l.fault("E365", raw.Workspace.Span, fmt.Sprintf("%q cannot be the name of a workspace.", w.Name), "")
	}
	if raw.Zone.Value != "" {
		zone, err := time.LoadLocation(raw.Zone.Value)
		if err != nil || raw.Zone.Value == "Local" {
			l.fault("E351", raw.Zone.Span, fmt.Sprintf("There is no time zone %q.", raw.Zone.Value), "Write for example Asia/Kolkata.")
		} else {
			w.Zone = zone
		}
	}
	l.money(raw.Currency)
	l.land(raw.Region)
	for _, day := range raw.Holidays {
		if _, err := time.Parse(time.DateOnly, day.Value); err != nil {
			l.fault("E369", day.Span, fmt.Sprintf("%q is no date.", day.Value), "Write year-month-day: 2027-01-26.")
		}
		w.Holidays = append(w.Holidays, day.Value)
	}
	l.calendar(raw.Hours)
	l.owners(raw)
	for _, t := range raw.Approve {
		if !slices.Contains(approvable, t.Value) {
			l.fault("E371", t.Span, fmt.Sprintf("%q is no kind of write.", t.Value), "Kinds: "+source.Listed(approvable)+".")
			continue
		}
		w.Approve = append(w.Approve, waybill.ActionKind(t.Value))
	}
}

// money checks the workspace's currency: three letters of ISO 4217.
func (l *loader) money(t source.Text) {
	if t.Value == "" {
		return
	}
	if _, err := currency.ParseISO(t.Value); err != nil || !currencyPattern.MatchString(t.Value) {
		l.fault("E351", t.Span, fmt.Sprintf("%q is no currency of ISO 4217.", t.Value), "Write its three capital letters: INR.")
	}
}

// land checks the workspace's region: two letters of ISO 3166, by which phone numbers are read.
func (l *loader) land(t source.Text) {
	if t.Value == "" {
		return
	}
	region, err := language.ParseRegion(t.Value)
	switch {
	case err != nil || !regionPattern.MatchString(t.Value) || !region.IsCountry():
		l.fault("E351", t.Span, fmt.Sprintf("%q is no country of ISO 3166.", t.Value), "Write its two capital letters: IN.")
	case region.Canonicalize().String() != t.Value:
		l.fault("E351", t.Span, fmt.Sprintf("%q is not how ISO 3166 calls that country.", t.Value), fmt.Sprintf("Write %s.", region.Canonicalize()))
	}
}

// approvable are the kinds of write that a workspace may want approved.
var approvable = []string{ // a table that nothing changes
	string(waybill.KindMoney), string(waybill.KindMessage), string(waybill.KindState), string(waybill.KindAdd),
}

// calendar makes the workspace's business hours.
func (l *loader) calendar(hours *source.Node) {
	cal := flow.Calendar{Zone: l.w.Zone, Hours: flow.Weekdays(), Holidays: map[string]bool{}}
	for _, day := range l.w.Holidays {
		cal.Holidays[day] = true
	}
	if hours != nil && hours.Kind != source.Null {
		cal.Hours = [7]flow.Shift{}
		if hours.Kind != source.Map {
			l.fault("E372", hours.Span, "`business_hours` names days and their hours.", `Write for example: {mon-fri: "09:00-18:00", sat: "10:00-14:00"}`)
		}
		for _, e := range hours.Entries {
			text, _ := e.Value.Scalar()
			if err := flow.ReadHours(&cal.Hours, e.Key, text.Value); err != nil {
				l.fault("E372", e.KeySpan, capital(err.Error())+".", `Write for example: mon-fri: "09:00-18:00"`)
			}
		}
	}
	l.w.Calendar = cal
}

func (l *loader) owners(raw rawSettings) {
	n := raw.Node.Get("owners")
	for _, name := range slices.Sorted(maps.Keys(raw.Owners)) {
		o := raw.Owners[name]
		o.Name = name
		if o.Title == "" {
			o.Title = name
		}
		if !namePattern.MatchString(name) {
			l.fault("E365", n.KeySpan(name), fmt.Sprintf("%q cannot be the name of an owner.", name), "")
		}
		if o.Email == "" && o.Slack == "" {
			l.faults.Warn(Codes, "E359", n.KeySpan(name), fmt.Sprintf("There is no way to reach %s.", name), "Add an email.")
		}
		l.w.Owners[name] = o
	}
}
