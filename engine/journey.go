package engine

import (
	"context"

	"waybill"
)

// Journey is the book's, with the lines that say how each field of the event came to be. They follow from the mapping
// that made it and the event's own data, so they are told when somebody asks, from the version of then; when that can no
// longer be read, the journey goes without them.
func (e *Engine) Journey(ctx context.Context, id string) (*waybill.Journey, error) {
	j, err := e.book.Journey(ctx, id)
	if err == nil && j.Event != nil {
		e.explain(j.Event)
	}
	return j, err
}

func (e *Engine) explain(ev *waybill.Event) {
	if ev.Mapped.File == "" || ev.Mapping != nil {
		return // emitted, or of an older book, which kept the lines themselves
	}
	v, err := e.version(nil, ev.Bundle)
	if err != nil {
		e.log.Warn("how an event was mapped cannot be told", "event", ev.ID, "err", err)
		return
	}
	c := v.ws.Connections[ev.Connection]
	data, err := decodeMap(ev.Data)
	if err == nil && c != nil && c.Translator != nil {
		ev.Mapping = c.Translator.Lines(ev, data)
	}
}
