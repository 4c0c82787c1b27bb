package show

import (
	"net/http"
)

type signInPage struct {
	Next string
}

type linkPage struct {
	Name string
	Good bool
}

// signIn says how to come in. There is no password to ask for.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) error {
	next := pathOnly(r.URL.Query().Get("next"))
	if _, known, err := s.access.who(r); known && err == nil {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return nil
	}
	return s.show(w, r, "sign-in", "Sign in", signInPage{next})
}

// linkPage asks for one press before a link is used up: programs that look into messages open links, too.
func (s *Server) linkPage(w http.ResponseWriter, r *http.Request) error {
	name, good := s.access.linkGood(r.Context(), r.PathValue("token"))
	w.Header().Set("Referrer-Policy", "no-referrer")
	return s.show(w, r, "link", "Sign in", linkPage{name, good})
}

func (s *Server) useLink(w http.ResponseWriter, r *http.Request) error {
	session, err := s.access.useLink(r.Context(), r.PathValue("token"))
	if err != nil {
		return err
	}
	s.access.setCookie(w, r, session, sessionLife)
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request) error {
	if c, err := r.Cookie(s.access.cookieName(r)); err == nil {
		if err := s.access.end(r.Context(), c.Value); err != nil {
			return err
		}
	}
	s.access.setCookie(w, r, "", -1)
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	return nil
}
