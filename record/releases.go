package record

// Releases returns how many effects of each step of a flow were released by hand, over all its versions, by the step's address.
func (tx *Tx) Releases(flow string) (map[string]int, error) {
	out := map[string]int{}
	_, err := list(tx, "SELECT address, n FROM releases WHERE flow = $1", func(r row) (struct{}, error) {
		out[r.text(0)] = int(r.num(1))
		return struct{}{}, nil
	}, flow)
	return out, err
}

// CountRelease adds one to those of a step. Presses at the same instant, on any node, each count.
func (tx *Tx) CountRelease(flow, address string) error {
	_, err := tx.exec(`INSERT INTO releases (flow, address, n) VALUES ($1, $2, 1)
		ON CONFLICT (flow, address) DO UPDATE SET n = releases.n + 1`, flow, address)
	return err
}
