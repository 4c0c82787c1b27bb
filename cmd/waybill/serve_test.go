package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"waybill/examples"
)

// TestAChangeThatIsMadeWhileServeStartsIsNotMissed: after the folder was read and before anybody watched it.
func TestAChangeThatIsMadeWhileServeStartsIsNotMissed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shop")
	if err := writeRecipe(examples.Names()[0], dir); err != nil {
		t.Fatal(err)
	}
	m := &Main{Getenv: func(string) string { return "" }, Stderr: os.Stderr}
	ws, _, err := m.load(dir, offline)
	if err != nil || ws == nil {
		t.Fatal("the recipe cannot be read", err)
	}
	p, err := m.place(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	a, err := m.assemble(t.Context(), setup{place: p, env: offline, publicURL: "http://127.0.0.1:1", ws: ws, log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer func() {
		stop()
		if err := a.drain(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	if err := a.start(ctx); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "flows", ws.Flows[0].Name+".yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "title: ", "title: Changed. ", 1)
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil { // a folder of the test's own
		t.Fatal(err)
	}
	go m.reloads(ctx, a, dir, offline)
	for range 600 {
		if a.engine.Workspace().Bundle != ws.Bundle {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("the change is not served")
}
