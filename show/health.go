package show

import (
	"net/http"

	"waybill"
)

// healthy says that the process answers.
func (s *Server) healthy(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte("{\"status\":\"ok\"}\n"))
	return nil
}

// isReady says that the process can do its work. Why it cannot is for the log: anybody may ask here.
func (s *Server) isReady(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	if s.ready != nil {
		if err := s.ready(r.Context()); err != nil {
			s.log.WarnContext(r.Context(), "not ready", "error", err)
			w.Header().Set("Retry-After", "5")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte("{\"status\":\"not ready\"}\n"))
			return nil
		}
	}
	if s.paused != nil {
		if why := s.paused(); why != "" { // it takes in all the same, so nobody should stop sending to it
			_, _ = w.Write([]byte("{\"status\":\"ready\",\"sending\":\"paused until a person has looked\"}\n"))
			return nil
		}
	}
	_, _ = w.Write([]byte("{\"status\":\"ready\"}\n"))
	return nil
}

// serveMetrics answers a scraper on this machine, and others with a token.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) error {
	if s.metrics == nil {
		return &waybill.Error{Kind: waybill.NotFound, Message: "there are no metrics", Hint: "they are served by waybill serve"}
	}
	if !person(r).Role.may(Viewer) && !fromHere(r) {
		p, _, err := s.access.who(r)
		if err != nil {
			return err
		}
		if !p.Role.may(Viewer) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="waybill"`)
			problem(w, http.StatusUnauthorized, "nobody is signed in", "scrape from this machine, or send a token: Authorization: Bearer wbt_…; waybill user token NAME makes one")
			return nil
		}
	}
	s.metrics.ServeHTTP(w, r)
	return nil
}
