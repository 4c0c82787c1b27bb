package record

// Setting reads a setting of the server inside a transaction.
func Setting(tx *Tx, name string) []string {
	out, _ := list(tx, "SELECT current_setting($1)", text0, name)
	return out
}
