package main

import (
	"os"
	"path/filepath"
	"testing"

	"waybill"
	"waybill/internal/pgtest"
)

// TestNodesThatStartAtOnceMakeOneBookWithOneKey: with one key file one makes it and the others join; one that makes a key of
// its own on another machine is refused, and its key is taken away.
func TestNodesThatStartAtOnceMakeOneBookWithOneKey(t *testing.T) {
	dir, dsn := t.TempDir(), pgtest.Fresh(t)
	m := &Main{Getenv: func(string) string { return "" }}
	at := func(dir string) place {
		p, err := m.place(dir, dsn)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	type end struct {
		o   *opened
		err error
	}
	ends := make(chan end, 4)
	for range cap(ends) {
		go func() {
			o, err := m.openBook(t.Context(), at(dir), "test")
			ends <- end{o, err}
		}()
	}
	made, keys := 0, map[string]bool{}
	for range cap(ends) {
		e := <-ends
		if e.err != nil {
			t.Fatal(e.err)
		}
		if e.o.newKey {
			made++
		}
		keys[e.o.keys.ID()] = true
		if err := e.o.book.Close(); err != nil {
			t.Error(err)
		}
	}
	if made != 1 || len(keys) != 1 {
		t.Errorf("%d made a key, %d keys are in use", made, len(keys))
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".waybill", ".key-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	other := t.TempDir()
	if _, err := m.openBook(t.Context(), at(other), "test"); waybill.KindOf(err) != waybill.NotFound {
		t.Errorf("without a key: %v", err)
	}
	foreign, err := os.ReadFile(at(dir).keyFile)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := at(t.TempDir())
	if o, err := m.openBook(t.Context(), place{dir: other, database: pgtest.Fresh(t), beside: elsewhere.beside, keyFile: elsewhere.keyFile}, "test"); err != nil {
		t.Fatal(err)
	} else if err := o.book.Close(); err != nil {
		t.Error(err)
	}
	if _, err := m.openBook(t.Context(), elsewhere, "test"); waybill.KindOf(err) != waybill.Conflict || waybill.HintOf(err) == "" {
		t.Errorf("with another book's key: %v", err)
	}
	if err := os.WriteFile(elsewhere.keyFile, foreign, 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := m.openBook(t.Context(), elsewhere, "test")
	if err != nil {
		t.Fatalf("with the book's key, copied: %v", err)
	}
	if err := o.book.Close(); err != nil {
		t.Error(err)
	}
}
