package engine

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"waybill"
	"waybill/connector"
	"waybill/deliver"
	"waybill/expr"
)

// encode gives v as JSON with its map keys in order; what the engine holds always encodes.
func encode(v any) []byte {
	if v == nil {
		return nil
	}
	b, err := expr.EncodeJSON(v)
	if err != nil {
		panic(fmt.Sprintf("engine: a value that does not encode: %v", err))
	}
	return b
}

// decodeMap reads JSON that the engine wrote, integers exact.
func decodeMap(b []byte) (map[string]any, error) {
	if len(b) == 0 {
		return map[string]any{}, nil
	}
	v, err := connector.DecodeJSON(b)
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("not an object: %.40s", b)
	}
	return m, nil
}

// inputText returns a text input of an effect, empty when it has none of that name.
func inputText(eff *waybill.Effect, name string) string {
	in, err := decodeMap(eff.Inputs)
	if err != nil {
		return ""
	}
	s, _ := in[name].(string)
	return s
}

// recipient is whom an effect writes to, for the allow-list of test environments.
func recipient(eff *waybill.Effect) string {
	if eff.Kind != waybill.KindMessage {
		return ""
	}
	in, err := decodeMap(eff.Inputs)
	if err != nil {
		return ""
	}
	return recipientOf(in)
}

// recipientOf is whom a message with these inputs reaches.
func recipientOf(in map[string]any) string {
	for _, name := range []string{"to", "recipient", "channel", "email"} {
		if s, _ := in[name].(string); s != "" {
			return s
		}
	}
	return ""
}

// backoff is the wait before our own side tries again.
func (e *Engine) backoff(try int) time.Duration {
	return min(time.Second<<min(try, 6), time.Minute)
}

// owner is who acts for what belongs to no flow: the workspace's first owner.
func (e *Engine) owner() string {
	names := slices.Sorted(maps.Keys(e.today().ws.Owners))
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

// newFetch makes a read of a connection's action, rendered.
func (e *Engine) newFetch(connection, action string, inputs map[string]any) (*waybill.Fetch, *connector.Action, error) {
	t, ok := e.target(connection)
	if !ok {
		return nil, nil, fmt.Errorf("the connection %q is not in the workspace", connection)
	}
	a := t.Manifest.Actions[action]
	if a == nil {
		return nil, nil, fmt.Errorf("%s has no action %q", t.Manifest.Title, action)
	}
	r, err := deliver.Render(t, a, inputs, "")
	if err != nil {
		return nil, nil, err
	}
	return &waybill.Fetch{
		ID: waybill.FetchID(e.ids.New("fet")), Connection: connection, Action: action, State: waybill.FetchPlanned,
		Inputs: encode(inputs), Request: r.Request, PlannedAt: e.d.Now(),
	}, a, nil
}
