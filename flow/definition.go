package flow

import (
	"time"

	"waybill/source"
)

// flowDef is a flow as it is written.
type flowDef struct {
	Flow          source.Text    `yaml:"flow,required"`
	Was           []source.Text  `yaml:"was,one_or_more"`
	Title         string         `yaml:"title,required"`
	Owner         source.Text    `yaml:"owner"`
	On            []source.Text  `yaml:"on,one_or_more"`
	From          []source.Text  `yaml:"from,one_or_more"`
	Lane          *source.Text   `yaml:"lane"`
	LaneName      source.Text    `yaml:"lane_name"`
	When          *source.Text   `yaml:"when"`
	DueWithin     time.Duration  `yaml:"due_within"`
	BehindBlocked source.Text    `yaml:"behind_blocked"`
	Columns       []source.Text  `yaml:"columns"`
	CancelOn      *source.Node   `yaml:"cancel_on"`
	Schedule      *source.Node   `yaml:"schedule"`
	Steps         []*source.Node `yaml:"steps"`
	Span          source.Span    `yaml:",span"`
	Node          *source.Node   `yaml:",node"`
}

// stepDef is a step as it is written.
type stepDef struct {
	ID        source.Text    `yaml:"id"`
	Was       []source.Text  `yaml:"was,one_or_more"`
	Title     string         `yaml:"title"`
	When      *source.Text   `yaml:"when"`
	Get       *source.Text   `yaml:"get"`
	Do        *source.Text   `yaml:"do"`
	Set       *source.Node   `yaml:"set"`
	Choose    *source.Node   `yaml:"choose"`
	Each      *source.Text   `yaml:"each"`
	Emit      *source.Text   `yaml:"emit"`
	End       *source.Node   `yaml:"end"`
	Wait      *source.Node   `yaml:"wait"`
	WaitFor   *source.Node   `yaml:"wait_for"`
	Ask       *source.Node   `yaml:"ask"`
	With      *source.Node   `yaml:"with"`
	IfNone    *source.Node   `yaml:"if_none"`
	GoodFor   time.Duration  `yaml:"good_for"`
	IfItFails *source.Text   `yaml:"if_it_fails"`
	Undo      *source.Node   `yaml:"undo"`
	Release   *source.Node   `yaml:"release"`
	Late      *source.Text   `yaml:"late"`
	Who       *source.Node   `yaml:"who"`
	Within    *source.Node   `yaml:"within"` // of an ask a span, of a wait business hours
	NoAnswer  *source.Node   `yaml:"no_answer"`
	Show      *source.Node   `yaml:"show"`
	Change    *source.Node   `yaml:"change"`
	For       []source.Text  `yaml:"for,one_or_more"`
	Approved  []*source.Node `yaml:"approved"`
	Rejected  []*source.Node `yaml:"rejected"`
	As        source.Text    `yaml:"as"`
	By        *source.Text   `yaml:"by"`
	Steps     []*source.Node `yaml:"steps"`
	Waits     waitDef        `yaml:",inline"`
	Span      source.Span    `yaml:",span"`
	Node      *source.Node   `yaml:",node"`
}

// caseDef is one case of a choice as it is written.
type caseDef struct {
	When  *source.Text   `yaml:"when"`
	Title string         `yaml:"title"`
	Steps []*source.Node `yaml:"steps"`
	Span  source.Span    `yaml:",span"`
}

// verbs are what a step can do, and the further fields each of them takes beside id, was, title and when.
var verbs = []struct { // a table that nothing changes
	name   string
	fields []string
}{
	{"get", []string{"with", "if_none", "if_it_fails"}},
	{"do", []string{"with", "good_for", "if_it_fails", "undo", "release", "late"}},
	{"set", nil},
	{"choose", nil},
	{"each", []string{"as", "by", "steps"}},
	{"emit", []string{"with"}},
	{"end", nil},
	{"wait", []string{"within", "counting", "zone"}},
	{"wait_for", waitFields},
	{"ask", []string{"who", "within", "no_answer", "show", "change", "for", "approved", "rejected"}},
}
