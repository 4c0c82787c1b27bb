package record

// Released returns how many effects of a step were released by hand, over all versions of its flow.
func (tx *Tx) Released(flow, address string) (int, error) {
	n, _, err := one(tx, "SELECT n FROM releases WHERE flow = $1 AND address = $2", num0, flow, address)
	return int(n), err
}

// CountRelease adds one to it and returns what it is then. Presses at the same instant, on any node, each count.
func (tx *Tx) CountRelease(flow, address string) (int, error) {
	_, err := tx.exec(`INSERT INTO releases (flow, address, n) VALUES ($1, $2, 1)
		ON CONFLICT (flow, address) DO UPDATE SET n = releases.n + 1`, flow, address)
	if err != nil {
		return 0, err
	}
	return tx.Released(flow, address)
}
