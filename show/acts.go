package show

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"waybill"
)

// buttons are the choices for one object, ready for the forms.
type buttons struct {
	Object  string
	Choices []choice
}

type choice struct {
	waybill.Choice
	Text string // the inputs of an edit, indented
	Tone string // safe, care
	Icon string
}

// buttonsFor asks the desk. When it has no answer the page is shown without buttons; they are not what it is for.
func (s *Server) buttonsFor(ctx context.Context, object string) buttons {
	b := buttons{Object: object}
	list, err := s.desk.Choices(ctx, object)
	if err != nil {
		if waybill.KindOf(err) != waybill.NotFound && ctx.Err() == nil {
			s.log.WarnContext(ctx, "the choices are not known", "object", object, "error", err)
		}
		return b
	}
	for _, c := range list {
		one := choice{Choice: c, Tone: "care", Icon: "care"}
		if c.Safe {
			one.Tone, one.Icon = "safe", "safe"
		}
		if len(c.Inputs) > 0 {
			for _, t := range showBody(c.Inputs).Tokens {
				one.Text += t.Text
			}
		}
		b.Choices = append(b.Choices, one)
	}
	return b
}

// act does what a button says and goes back to the page it was on, with a sentence of what happened.
func (s *Server) act(w http.ResponseWriter, r *http.Request) error {
	a := waybill.Act{
		Who: person(r).Name, Role: string(person(r).Role), Verb: waybill.Verb(r.PostFormValue("verb")), Object: r.PostFormValue("object"),
		Reason: strings.TrimSpace(r.PostFormValue("reason")), About: r.PostFormValue("about"),
	}
	if inputs := r.PostFormValue("inputs"); inputs != "" {
		a.Inputs = []byte(inputs)
	}
	text, err := s.do(r.Context(), a)
	if err != nil {
		message, hint := sayError(err)
		text = strings.TrimSpace(sentence(message) + ". " + sentence(hint))
		if statusOf(err) == http.StatusInternalServerError {
			s.log.ErrorContext(r.Context(), "an act failed", "verb", a.Verb, "object", a.Object, "error", err)
		}
	}
	leaveSaid(w, text, err != nil)
	http.Redirect(w, r, pathOnly(r.PostFormValue("back")), http.StatusSeeOther)
	return nil
}

// do checks what can be checked here and hands an act to the desk.
func (s *Server) do(ctx context.Context, a waybill.Act) (string, error) {
	switch {
	case a.Object == "" || a.Verb == "":
		return "", &waybill.Error{Kind: waybill.Invalid, Message: "an act needs a verb and an object", Hint: "use one of the buttons of a page"}
	case len(a.Inputs) > 0 && !json.Valid(a.Inputs):
		return "", &waybill.Error{Kind: waybill.Invalid, Message: "the changed inputs are no valid JSON", Hint: "nothing was changed; check for a missing comma or quote and try again"}
	}
	return s.desk.Act(ctx, a)
}
