package connector

import (
	"fmt"
	"strings"

	"waybill"
)

// Answer is one answer of the other side, as matchers see it.
type Answer struct {
	Status  int
	Headers map[string]string // lower-case names
	Body    []byte
	Cut     bool // the body was longer than what is read, or broke off
}

// Judged is what an answer means.
type Judged struct {
	Certainty waybill.Certainty
	Cause     waybill.Cause // empty when it happened
	Code      string        // the provider's code, for grouping
	Message   string        // the provider's own words
	Words     string        // in plain words; empty when it happened
	Fix       string
	Who       string
	Output    any  // the action's output; nil when there is none
	Found     bool // of a read
	Matched   *Matcher
}

// Judge says what an answer proves: the first matcher that fits decides (the action's own, then the manifest's), else
// the status. Of a read, Happened means it was answered; Found whether anything was there.
func (m *Manifest) Judge(a *Action, answer Answer, settings map[string]string) Judged {
	vars := map[string]any{
		"status": int64(answer.Status), "headers": answer.Headers, "body": answerBody(answer),
		"settings": settings,
	}
	if a.Kind == waybill.KindRead && a.Found != nil && answer.Status < 500 {
		if found, err := a.Found.Bool(vars, nil); err == nil && !found && (answer.Status < 300 || answer.Status == 404) {
			return Judged{Certainty: waybill.Happened}
		}
	}
	for _, list := range [][]*Matcher{a.Errors, m.Errors} {
		for _, matcher := range list {
			if matcher.fits(answer.Status, vars) {
				return matcher.judge(a, answer.Status, vars)
			}
		}
	}
	if answer.Status < 200 || answer.Status > 299 {
		return unmatched(a, answer, vars, m)
	}
	return success(a, answer, vars)
}

// answerBody decodes JSON where it is JSON; else the body is its text.
func answerBody(answer Answer) any {
	if len(answer.Body) == 0 {
		return map[string]any{}
	}
	value, err := DecodeJSON(answer.Body)
	if err != nil {
		return string(answer.Body)
	}
	return withoutNulls(value)
}

// withoutNulls leaves out entries that are null: in an answer null is an absent value.
func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if inner == nil {
				delete(v, name)
				continue
			}
			withoutNulls(inner)
		}
	case []any:
		for _, inner := range v {
			withoutNulls(inner)
		}
	}
	return v
}

func success(a *Action, answer Answer, vars map[string]any) Judged {
	j := Judged{Certainty: waybill.Happened, Found: true}
	if a.Answer == nil {
		return j
	}
	output, err := a.output(vars)
	if err == nil && !answer.Cut {
		j.Output = output
		return j
	}
	// the other side took it, but what it says cannot be read
	j = Judged{Cause: waybill.FormatChanged, Certainty: waybill.InDoubt, Words: "The answer came, but it could not be read."}
	if a.Kind == waybill.KindRead {
		j.Certainty = waybill.NotHappened
	} else if answer.Cut {
		j.Cause = waybill.AnswerLost
	}
	if err != nil {
		j.Message = err.Error()
	}
	return j
}

// unmatched judges by the status alone.
func unmatched(a *Action, answer Answer, vars map[string]any, m *Manifest) Judged {
	j := Judged{Certainty: waybill.Declined, Cause: waybill.DeclinedValue, Words: m.Title + " refused it."}
	if at := firstWithCode(m.Errors); at != nil {
		j.Code, j.Message = text(at.Code, vars), text(at.Message, vars)
	}
	if j.Message != "" {
		j.Words = m.Title + " refused it: " + j.Message
	}
	switch status := answer.Status; {
	case status == 401:
		j.Cause, j.Certainty, j.Words = waybill.SignInExpired, waybill.NotHappened, m.Title+" does not accept the sign-in."
	case status == 403:
		j.Cause = waybill.PermissionMissing
	case status == 404:
		j.Cause = waybill.NotFoundThere
	case status == 408:
		j.Cause, j.Certainty, j.Words = waybill.TooSlow, waybill.InDoubt, m.Title+" took too long."
	case status == 409:
		j.Cause = waybill.DuplicateThere
	case status == 429:
		j.Cause, j.Certainty, j.Words = waybill.LimitReached, waybill.NotHappened, m.Title+" asks to slow down."
	case status >= 500:
		j.Cause, j.Certainty, j.Words = waybill.TheirSideDown, waybill.InDoubt, m.Title+" has a fault of its own."
	case status < 400:
		j.Cause, j.Words = waybill.FormatChanged, m.Title+" sends us to another address; that is not followed."
		if a.Kind != waybill.KindRead {
			j.Certainty = waybill.InDoubt
		}
	}
	return j
}

func firstWithCode(list []*Matcher) *Matcher {
	for _, m := range list {
		if m.Code != nil {
			return m
		}
	}
	return nil
}

// fits reports whether status and condition agree. A condition that cannot be evaluated over this body does not fit.
func (m *Matcher) fits(status int, vars map[string]any) bool {
	if len(m.Status) > 0 {
		some := false
		for _, want := range m.Status {
			some = some || want == status || (want < 10 && want == status/100)
		}
		if !some {
			return false
		}
	}
	if m.When == nil {
		return true
	}
	ok, err := m.When.Bool(vars, nil)
	return err == nil && ok
}

func (m *Matcher) judge(a *Action, status int, vars map[string]any) Judged {
	j := Judged{
		Cause: m.Cause, Certainty: m.Certainty, Fix: m.Fix, Who: m.Who, Matched: m,
		Code: text(m.Code, vars), Message: text(m.Message, vars),
	}
	if j.Certainty == "" {
		switch {
		case status == 401 || status == 429:
			j.Certainty = waybill.NotHappened
		case status == 408 || status >= 500:
			j.Certainty = waybill.InDoubt
		default:
			j.Certainty = waybill.Declined
		}
	}
	if j.Certainty == waybill.Happened {
		j.Found = true
		if a.Answer != nil {
			if output, err := a.output(vars); err == nil {
				j.Output = output
			}
		}
	}
	or := func(said, unsaid string) string {
		if said == "" {
			return unsaid
		}
		return said
	}
	fill := strings.NewReplacer("{code}", or(j.Code, "no code"), "{message}", or(j.Message, "it does not say why"),
		"{field}", or(text(m.Field, vars), "a field"))
	j.Words, j.Fix = fill.Replace(m.Words), fill.Replace(m.Fix)
	return j
}

// output gives an action's output; it fits its schema.
func (a *Action) output(vars map[string]any) (any, error) {
	value, err := a.Answer.Eval(vars, nil)
	if err != nil || a.Output == nil {
		return value, err
	}
	fields, _ := value.(map[string]any)
	out, misfits := a.Output.Conform(fields)
	if len(misfits) > 0 {
		return nil, fmt.Errorf("%s: %s", misfits[0].Path, misfits[0].Words)
	}
	return out, nil
}

// CheckInputs says what is wrong with the inputs of an action, in words: an unknown, missing or unfitting one.
func CheckInputs(a *Action, inputs map[string]any) error {
	_, misfits := a.Input.Conform(inputs)
	if len(misfits) == 0 {
		return nil
	}
	said := make([]string, len(misfits))
	for i, m := range misfits {
		said[i] = m.Path + ": " + m.Words
	}
	return &waybill.Error{
		Kind: waybill.Invalid, Message: "the inputs of " + a.Name + " do not fit: " + strings.Join(said, "; "),
		Hint: "Correct the values and try again.",
	}
}
