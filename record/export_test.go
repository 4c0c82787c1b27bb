package record

// Setting reads a setting of the server inside a transaction.
func Setting(tx *Tx, name string) []string {
	out, _ := list(tx, "SELECT current_setting($1)", text0, name)
	return out
}

// Batch runs acts in one transaction, as when all of them queue while another is committed.
func Batch(b *Book, acts []func(*Tx) error, ahead []Ahead) []error {
	batch := make([]*act, len(acts))
	for i := range acts {
		batch[i] = newAct(acts[i], ahead[i:i+1])
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.run(&batch, nil)
	errs := make([]error, len(acts))
	for i := range batch {
		errs[i] = batch[i].err
	}
	return errs
}

// Reran is how many batches were taken back and run again act by act.
func Reran(b *Book) int { return b.reran }
