package flow

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"waybill"
	"waybill/expr"
	"waybill/source"
)

// walk makes steps until the run waits, is blocked or has ended.
func (m *machine) walk() {
	for m.p.Stage == stageReady {
		list, at := m.flow.list(m.p.Frames), m.top()
		if at.Step < len(list) {
			m.enter(list[at.Step])
		} else {
			m.finish()
		}
	}
}

func (m *machine) top() *frame { return &m.p.Frames[len(m.p.Frames)-1] }

// list returns the steps among which the innermost frame stands.
func (f *Flow) list(frames []frame) []*step {
	list := f.steps
	for _, fr := range frames[:max(0, len(frames)-1)] {
		b := list[fr.Step].branch(fr.Branch)
		list = b.steps
	}
	return list
}

// knows reports whether the frames are a place in this flow: they may come from a book that another version wrote.
func (f *Flow) knows(frames []frame) bool {
	list := f.steps
	for i, fr := range frames {
		if fr.Step < 0 || fr.Step > len(list) || fr.Item < 0 {
			return false
		}
		if i == len(frames)-1 {
			return true
		}
		if fr.Step == len(list) || list[fr.Step].branch(fr.Branch) == nil {
			return false
		}
		list = list[fr.Step].branch(fr.Branch).steps
	}
	return true
}

// at returns the step where the innermost frame stands, nil past the end of its list.
func (f *Flow) at(frames []frame) *step {
	if len(frames) == 0 {
		return nil
	}
	list := f.list(frames)
	if i := frames[len(frames)-1].Step; i < len(list) {
		return list[i]
	}
	return nil
}

func (m *machine) current() *step { return m.flow.at(m.p.Frames) }

// address is the step's address with the keys of the loops it stands in.
func (m *machine) address(s *step) string {
	out := s.address
	for _, fr := range m.p.Frames[:len(m.p.Frames)-1] {
		if fr.Key != "" {
			out = strings.Replace(out, "[]", "["+fr.Key+"]", 1)
		}
	}
	return out
}

// put keeps a step's output; nothing at all when v is nil or absent.
func (m *machine) put(s *step, v any) {
	if v == nil || v == expr.Absent {
		m.drop(s)
		return
	}
	m.vars[s.id] = v
	if s.keep {
		if m.p.Values == nil {
			m.p.Values = map[string]any{}
		}
		m.p.Values[s.id] = v
	}
}

func (m *machine) drop(s *step) { m.forget(s.id) }

func (m *machine) forget(id string) {
	if _, named := m.vars[id]; named {
		m.vars[id] = expr.Absent
	}
	delete(m.p.Values, id)
}

// advance goes to the next step of the list.
func (m *machine) advance() {
	top := m.top()
	*top = frame{Step: top.Step + 1}
	m.leave()
}

// leave forgets what is only known of the step under way.
func (m *machine) leave() {
	m.p.Inputs, m.p.Round, m.p.Skip, m.p.Address = nil, 0, false, ""
	m.p.Began, m.p.Over, m.p.Reread, m.p.Reading, m.p.Asked = 0, false, 0, "", false
}

// push enters a branch of the step the innermost frame stands at. What was known of that step is not of those in it.
func (m *machine) push(branch string) {
	m.leave()
	m.top().Branch = branch
	m.p.Frames = append(m.p.Frames, frame{})
}

// finish leaves a list whose steps are all made.
func (m *machine) finish() {
	if len(m.p.Frames) == 1 {
		m.end("")
		return
	}
	m.p.Frames = m.p.Frames[:len(m.p.Frames)-1]
	s, depth := m.current(), len(m.p.Frames)-1
	switch s.kind {
	case kindEach:
		for _, id := range s.inner {
			m.forget(id)
		}
		m.item(s, m.items[depth], m.top().Item+1)
	case kindAsk:
		m.left(s)
	case kindGet: // what `create` made stands for what was looked for
		made := s.branches[0].steps
		v := m.vars[made[len(made)-1].id]
		m.put(s, v)
		m.advance()
	default:
		m.advance()
	}
}

// item goes to the loop's item number n, or past the loop when there is none.
func (m *machine) item(s *step, items []any, n int) {
	if n >= len(items) {
		delete(m.items, len(m.p.Frames)-1)
		m.vars[s.as] = expr.Absent
		m.advance()
		return
	}
	m.vars[s.as] = items[n]
	key, err := m.key(s, items[n])
	if err != nil {
		m.stop(s, s.by.Span(), "`by`", err)
		return
	}
	top := m.top()
	top.Item, top.Key = n, key
	m.push(s.branches[0].name)
}

// enter makes one step.
func (m *machine) enter(s *step) {
	if m.asked != nil {
		m.asked.table = ""
	}
	if m.p.Skip {
		m.drop(s)
		m.advance()
		return
	}
	if s.when != nil && m.p.Inputs == nil && !m.p.Over && m.p.Reread == 0 && !m.p.Asked {
		yes, err := s.when.Bool(m.vars, m.reads)
		if err != nil {
			m.stop(s, s.when.Span(), "`when`", err)
			return
		}
		if !yes {
			m.drop(s)
			m.advance()
			return
		}
	}
	waiting := s.kind == kindWait && !m.p.Over
	if s.still != nil && m.p.Inputs == nil && !m.p.Asked && !waiting && !m.still(s) {
		return
	}
	switch s.kind {
	case kindWait, kindWaitFor:
		if m.p.Over {
			m.past(s)
		} else {
			m.rest(s)
		}
	case kindGet, kindDo:
		if m.inputs(s) {
			m.await(s, 0)
		}
	case kindSet:
		if v, ok := m.value(s); ok {
			m.put(s, v)
			m.advance()
		}
	case kindEmit:
		if m.inputs(s) {
			m.moves = append(m.moves, Move{Emit: &Emitted{Address: m.address(s), Type: s.event, Data: m.p.Inputs}})
			m.advance()
		}
	case kindAsk:
		m.ask(s)
	case kindChoose:
		m.choose(s)
	case kindEach:
		m.loop(s)
	case kindEnd:
		m.finale(s)
	}
}

// value evaluates what stands under a step's `with` or `set`.
func (m *machine) value(s *step) (any, bool) {
	v, err := s.input.Eval(m.vars, m.reads)
	if err == nil {
		v, err = settled(v)
	}
	if err != nil {
		m.stop(s, s.inputAt, "", err)
		return nil, false
	}
	return v, true
}

// inputs evaluates a step's inputs, unless they have been already.
func (m *machine) inputs(s *step) bool {
	if m.p.Inputs != nil {
		return true
	}
	if frozen, ok := m.p.Frozen[m.address(s)]; ok { // a person has approved these
		m.p.Inputs = frozen
		delete(m.p.Frozen, m.address(s))
		return true
	}
	v, ok := m.value(s)
	if !ok {
		return false
	}
	in, ok := v.(map[string]any)
	if !ok {
		in = map[string]any{}
	}
	if name := missing(s, in); name != "" {
		m.block(s, waybill.MissingValue, fmt.Sprintf("%s:%d", s.inputAt.File, s.inputAt.Line),
			fmt.Sprintf("%s:%d: %s needs %q, and it has no value here", s.inputAt.File, s.inputAt.Line, s.does(), name))
		return false
	}
	m.p.Inputs = in
	return true
}

// missing names the first required input that came out without a value: the step it was to come from was left out by a
// person, which no type can foresee.
func missing(s *step, in map[string]any) string {
	if s.action == nil || s.action.Input == nil {
		return ""
	}
	for _, name := range s.action.Input.Required {
		if v, ok := in[name]; !ok || v == nil {
			return name
		}
	}
	return ""
}

func (m *machine) choose(s *step) {
	for _, b := range s.branches {
		if b.when != nil {
			yes, err := b.when.Bool(m.vars, m.reads)
			if err != nil {
				m.stop(s, b.when.Span(), "`when`", err)
				return
			}
			if !yes {
				continue
			}
		}
		m.push(b.name)
		return
	}
	m.advance()
}

// loop begins a loop: its list is fixed and its keys are checked before the first item is touched.
func (m *machine) loop(s *step) {
	items, err := m.list(s)
	if err != nil {
		m.stop(s, s.list.Span(), "`each`", err)
		return
	}
	seen := make(map[string]int, len(items))
	for i, item := range items {
		m.vars[s.as] = item
		key, err := m.key(s, item)
		if err != nil {
			m.stop(s, s.by.Span(), fmt.Sprintf("`by` of item %d", i+1), err)
			return
		}
		if first, twice := seen[key]; twice {
			m.stop(s, s.by.Span(), "`by`", fmt.Errorf("items %d and %d both have the key %q: it must be unique, as nothing "+
				"is done twice for one key", first+1, i+1, key))
			return
		}
		seen[key] = i
	}
	m.items[len(m.p.Frames)-1] = items
	if s.fixed && len(items) > 0 {
		m.top().Items = items
	}
	m.item(s, items, 0)
}

// list evaluates what a loop goes over.
func (m *machine) list(s *step) ([]any, error) {
	v, err := s.list.Eval(m.vars, m.reads)
	if err != nil {
		return nil, err
	}
	if v == nil || v == expr.Absent {
		return nil, nil
	}
	if v, err = settled(v); err != nil {
		return nil, err
	}
	items, ok := v.([]any)
	if !ok {
		return nil, errors.New("this is no list")
	}
	if len(items) > MaxItems {
		return nil, fmt.Errorf("the list has %d items; at most %d are followed", len(items), MaxItems)
	}
	return items, nil
}

// open finds again the items of the loops the run stands in. A list that is the same each time is not kept.
func (m *machine) open() {
	for depth := range len(m.p.Frames) - 1 {
		fr := m.p.Frames[depth]
		s := m.flow.at(m.p.Frames[:depth+1])
		if s == nil || s.kind != kindEach {
			continue
		}
		items := fr.Items
		if items == nil {
			items, _ = m.list(s) // it worked when the loop began
		}
		m.items[depth] = items
		if fr.Item < len(items) {
			m.vars[s.as] = items[fr.Item]
		}
	}
}

// openAnew finds by their keys the items of the loops the run stands in, over other data of its event; false when one of
// them is no longer there.
func (m *machine) openAnew() (bool, error) {
	for depth := range len(m.p.Frames) - 1 {
		s := m.flow.at(m.p.Frames[:depth+1])
		if s == nil || s.kind != kindEach {
			continue
		}
		items, err := m.list(s)
		if err != nil {
			return false, err
		}
		found := false
		for i := 0; i < len(items) && !found; i++ {
			m.vars[s.as] = items[i]
			key, err := m.key(s, items[i])
			if err != nil {
				return false, err
			}
			found = key == m.p.Frames[depth].Key
		}
		if !found {
			return false, nil
		}
	}
	return true, nil
}

// key evaluates the key of an item as an address takes it.
func (m *machine) key(s *step, _ any) (string, error) {
	v, err := s.by.Eval(m.vars, m.reads)
	if err != nil {
		return "", err
	}
	key := addressKey(keyText(v))
	if key == "" {
		return "", errors.New("the key is empty")
	}
	return key, nil
}

func (m *machine) finale(s *step) {
	reason := ""
	if s.reason != nil {
		v, err := s.reason.Eval(m.vars, m.reads)
		if err != nil {
			m.stop(s, s.inputAt, "`end`", err)
			return
		}
		reason = keyText(v)
	}
	m.end(reason)
}

// stop blocks the run at a step whose expression failed: our mapping is wrong, or a value it needs is not there.
func (m *machine) stop(s *step, span source.Span, what string, err error) {
	cause, code := waybill.MappingWrong, fmt.Sprintf("%s:%d", span.File, span.Line)
	var failed *expr.Failure
	if errors.As(err, &failed) && failed.Lacks {
		cause = waybill.MissingValue
	}
	if m.asked != nil && m.asked.table != "" { // one problem for each value that a table lacks, wherever it is used
		cause, code = waybill.MissingValue, "table "+m.asked.table+": "+shortText(m.asked.key)
	}
	m.block(s, cause, code, trouble(span, what, err).Error())
}

// trouble says where an expression failed, and how. A failure of the expression language says where itself.
func trouble(span source.Span, what string, err error) error {
	if _, ok := errors.AsType[*expr.Failure](err); ok {
		return err
	}
	at := fmt.Sprintf("%s:%d:%d", span.File, span.Line, span.Col)
	if what != "" {
		at += ": " + what
	}
	return &waybill.Error{Kind: waybill.Invalid, Message: at, Hint: waybill.HintOf(err), Err: err}
}

// watched passes reads of the book on and remembers the value that a table had no answer for.
type watched struct {
	expr.Reads
	table, key string
}

// Table asks the book.
func (w *watched) Table(name, key string) (string, bool, error) {
	value, ok, err := w.Reads.Table(name, key)
	if err == nil && !ok {
		w.table, w.key = name, key
	}
	return value, ok, err
}

// keyText writes a lane's value or an item's key: text as it is, numbers and truth values in their plain form.
func keyText(v any) string {
	v, err := settled(v)
	if err != nil || v == nil || v == expr.Absent {
		return ""
	}
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	default:
		b, err := json.Marshal(exact(v))
		if err != nil {
			return ""
		}
		return string(b)
	}
}

// maxKey bounds a key inside an address; a longer one is cut and told apart by a hash.
const maxKey = 80

// addressKey makes a key safe inside an address: brackets, percent and control characters are percent-encoded.
func addressKey(key string) string {
	var out strings.Builder
	for i := range len(key) {
		switch c := key[i]; {
		case c < ' ' || c == 0x7f || c == '[' || c == ']' || c == '%':
			fmt.Fprintf(&out, "%%%02X", c)
		default:
			out.WriteByte(c)
		}
	}
	text := strings.ToValidUTF8(out.String(), "%3F")
	if len(text) <= maxKey {
		return text
	}
	sum := sha256.Sum256([]byte(key))
	return strings.ToValidUTF8(text[:maxKey], "") + "~" + hex.EncodeToString(sum[:8])
}

// inWords lists inputs for a sentence: order_no SO-1001.
func inWords(in map[string]any) string {
	if len(in) == 0 {
		return "no inputs"
	}
	names := make([]string, 0, len(in))
	for _, name := range sortedNames(in) {
		names = append(names, name+" "+shortText(keyText(in[name])))
	}
	return strings.Join(names, ", ")
}

func shortText(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
