package show

// Role is what a signed-in person or token may do. Each role may do what the one before may.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"   // see
	Operator Role = "operator" // press buttons
	Admin    Role = "admin"    // everything
)

// public marks a route that needs nobody to be signed in.
const public Role = ""

var ranks = map[Role]int{public: 0, Viewer: 1, Operator: 2, Admin: 3}

// Valid reports whether it is one of the roles.
func (r Role) Valid() bool { return ranks[r] > 0 }

// may reports whether someone of this role may use what needs that role. Nobody is not a viewer, and an unknown role
// may nothing.
func (r Role) may(need Role) bool {
	needed, known := ranks[need]
	return known && ranks[r] >= needed
}
