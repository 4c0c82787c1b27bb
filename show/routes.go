package show

import (
	"context"
	"net/http"
	"net/url"

	"waybill"
)

// route is one line of the site map: what is asked for, who may, and what answers.
type route struct {
	pattern string
	need    Role
	serve   func(w http.ResponseWriter, r *http.Request) error
}

// routes is the site map. What is not here is not served, and what is here says who may; a test walks it.
func (s *Server) routes() []route {
	return []route{
		// Watch
		{"GET /{$}", Viewer, s.overview},
		{"GET /events", Viewer, s.events},
		{"GET /events/new", Viewer, s.newEvents},
		{"GET /events/{id}", Viewer, s.journey},
		{"GET /items", Viewer, s.items},
		{"GET /items/{id}", Viewer, s.journey},
		{"GET /rejections", Viewer, s.rejections},
		{"GET /problems", Viewer, s.problems},
		{"GET /problems/{id}", Viewer, s.problem},

		// Run
		{"GET /connections", Viewer, s.connections},
		{"GET /connections/{name}", Viewer, s.connection},

		// Prove
		{"GET /audit", Viewer, s.audit},

		// Act
		{"POST /acts", Operator, s.act},
		{"POST /theme", public, s.theme},

		// Come in and go out
		{"GET /sign-in", public, s.signIn},
		{"GET /sign-in/once/{token}", public, s.linkPage},
		{"POST /sign-in/once/{token}", public, s.useLink},
		{"POST /sign-out", Viewer, s.signOut},

		// Programs
		{"GET /live", Viewer, s.live},
		{"GET /api/v1/openapi.json", public, s.api.serve},
		{"GET /api/v1/", Viewer, s.api.serve},
		{"POST /api/v1/", Operator, s.api.serve},
		{"/api/v1/", Viewer, s.api.serve}, // any other method is refused
		{"GET /api/v1/persons/", Admin, s.api.serve},
		{"POST /api/v1/persons/", Admin, s.api.serve},
		{"GET /metrics", public, s.serveMetrics}, // guarded by itself: a scraper on this machine needs no token
		{"GET /healthz", public, s.healthy},
		{"GET /readyz", public, s.isReady},
		{"GET /static/{file}", public, s.files.serve},
		{"GET /favicon.ico", public, s.files.favicon},

		{"/", Viewer, nil}, // nothingHere
	}
}

// serve makes the handler of all routes. Requests from other sites that would change something are refused before
// anything else.
func (s *Server) serve() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range s.routes() {
		if rt.pattern == "/" {
			rt.serve = func(w http.ResponseWriter, r *http.Request) error { return nothingHere(mux, w, r) }
		}
		mux.Handle(rt.pattern, s.guard(rt))
	}
	own := http.NewCrossOriginProtection()
	own.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, &waybill.Error{
			Kind: waybill.Forbidden, Message: "this was sent by a page of another site; nothing was changed",
			Hint: "press the button on a page that is open at this very address; a program sends a token and no Origin",
		})
	}))
	return s.secure(own.Handler(mux))
}

// guard lets in who may and answers everybody else.
func (s *Server) guard(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		p, known, err := s.access.who(r)
		if rt.need == public {
			err = nil // it is shown to nobody as well
		}
		switch {
		case err != nil:
			s.fail(w, r, err)
		case p.Role.may(rt.need):
			r = r.WithContext(context.WithValue(r.Context(), personKey{}, p))
			if err := rt.serve(w, r); err != nil {
				s.fail(w, r, err)
			}
		case known:
			s.fail(w, r, &waybill.Error{
				Kind: waybill.Forbidden, Message: "you are signed in as a " + string(p.Role) + ", and this needs an " + string(rt.need),
				Hint: "ask an admin for another role: waybill user add " + p.Name + " --role " + string(rt.need),
			})
		case isAPI(r):
			w.Header().Set("WWW-Authenticate", `Bearer realm="waybill"`)
			problem(w, http.StatusUnauthorized, "nobody is signed in", "send a token: Authorization: Bearer wbt_…; waybill user token NAME makes one")
		case r.Method == http.MethodGet && r.Header.Get("HX-Request") == "":
			http.Redirect(w, r, "/sign-in?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		case r.Header.Get("HX-Request") != "": // a live page whose session ended
			w.Header().Set("HX-Redirect", "/sign-in")
			w.WriteHeader(http.StatusUnauthorized)
		default:
			problem(w, http.StatusUnauthorized, "nobody is signed in", "open /sign-in in a browser, or send a token to an address under /api/v1/")
		}
	})
}

type personKey struct{}

// person is who the request is from; nobody on public pages.
func person(r *http.Request) Person {
	p, _ := r.Context().Value(personKey{}).(Person)
	return p
}

// nothingHere answers where the site map has nothing, at least for this method.
func nothingHere(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) error {
	if refuseMethod(mux, w, r) {
		return nil
	}
	return &waybill.Error{Kind: waybill.NotFound, Message: "there is no such page", Hint: "go to the overview, or search for an order number or e-mail"}
}
