package show

import (
	"encoding/json"
	"net/http"
	"time"

	"waybill"
)

const (
	maxStreams = 200
	heartbeat  = 15 * time.Second
)

// live streams the kinds of thing that changed, never the things: the page asks for its own fragments. It ends when the
// browser goes, when the session does, or when the server stops.
func (s *Server) live(w http.ResponseWriter, r *http.Request) error {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		w.Header().Set("Retry-After", "30")
		return &waybill.Error{Kind: waybill.Unavailable, Message: "too many live pages are open", Hint: "close some, or load this page again from time to time"}
	}
	changed, stop := s.changes.Watch()
	defer stop()
	out := http.NewResponseController(w)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	say := func(text string) bool {
		_ = out.SetWriteDeadline(time.Now().Add(heartbeat)) // not every writer has one
		if _, err := w.Write([]byte(text)); err != nil {
			return false
		}
		return out.Flush() == nil
	}
	if !say("retry: 2000\nevent: hello\ndata: []\n\n") {
		return nil
	}
	for {
		select {
		case <-r.Context().Done():
			return nil
		case <-s.stop:
			return nil
		case <-beat.C:
			// A live page by itself keeps nobody signed in.
			again := r.Clone(r.Context())
			again.Header.Set("HX-Request", "true")
			p, _, err := s.access.who(again)
			if err == nil && !p.Role.may(Viewer) || !say(": still here\n\n") {
				return nil
			}
		case kinds, open := <-changed:
			if !open {
				return nil
			}
			raw, err := json.Marshal(kinds)
			if err != nil || !say("event: changed\ndata: "+string(raw)+"\n\n") {
				return nil
			}
		}
	}
}
