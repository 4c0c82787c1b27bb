package show

// RouteLine is a line of the site map, for the test that walks it.
type RouteLine struct {
	Pattern string
	Need    Role
}

// Routes returns the site map.
func (s *Server) Routes() []RouteLine {
	var list []RouteLine
	for _, rt := range s.routes() {
		list = append(list, RouteLine{rt.pattern, rt.need})
	}
	return list
}

// May reports whether a role may do what needs another.
func (r Role) May(need Role) bool { return r.may(need) }
