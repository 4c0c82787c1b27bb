package record

import (
	"context"
	"sync"
	"testing"

	"waybill"
)

// TestReadersAndTheWriterLookForNamesAtOnce is for the race detector: all of them make the texts of their statements.
func TestReadersAndTheWriterLookForNamesAtOnce(t *testing.T) {
	b, err := Open(t.Context(), "sqlite:"+t.TempDir()+"/book.db", Options{Environment: "offline"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range 10 {
				alias := waybill.Alias{Kind: "email", Value: string(rune('a' + n))}
				act := func(tx *Tx) error { _, err := tx.SubjectBy("customer", alias); return err }
				if i == 0 {
					act = func(tx *Tx) error {
						_, err := tx.TouchSubject(&waybill.Subject{Type: "customer", Aliases: []waybill.Alias{alias}})
						return err
					}
					if err := b.Do(context.Background(), act); err != nil {
						t.Error(err)
					}
					continue
				}
				if err := b.View(context.Background(), act); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
