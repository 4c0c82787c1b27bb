package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"waybill"
	"waybill/examples"
)

func (m *Main) initialise() *cobra.Command {
	return &cobra.Command{
		Use: "init [recipe] [dir]", Short: "write an example workspace to start from",
		Long: "init writes a working workspace with tests into a new or empty folder.\n\nRecipes: " + strings.Join(examples.Names(), ", "),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 2 {
				return usage{errors.New("init takes a recipe and a folder at most; see: waybill init --help")}
			}
			return nil
		},
		Example: "  waybill init shop\n  waybill init payment-to-crm shop",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 2 && !isRecipe(args[0]) {
				return usage{fmt.Errorf("there is no recipe %q; nothing was written. The recipes are: %s", args[0], strings.Join(examples.Names(), ", "))}
			}
			recipe, dir := examples.Names()[0], "."
			for i, a := range args {
				if i == 0 && isRecipe(a) {
					recipe = a
				} else {
					dir = a
				}
			}
			shown := dir
			dir = m.dir([]string{dir})
			if err := writeRecipe(recipe, dir); err != nil {
				return err
			}
			fmt.Fprintf(m.Stdout, `The workspace %q is in %s.

Next:
  waybill check %[2]s       is everything in it right?
  waybill test %[2]s        does it do what its tests expect?
  waybill serve %[2]s       run it with simulated systems, and open the address it prints
`, recipe, shown)
			return nil
		},
	}
}

func isRecipe(name string) bool {
	return slices.Contains(examples.Names(), name)
}

// writeRecipe copies an example into a folder that is new or empty.
func writeRecipe(recipe, dir string) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return &waybill.Error{Kind: waybill.Conflict, Message: fmt.Sprintf("%s is not empty", dir), Hint: "name a new folder; nothing was written"}
	}
	files, err := examples.FS(recipe)
	if err != nil {
		return err
	}
	return fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, path)
		if d.IsDir() {
			return os.MkdirAll(to, 0o750)
		}
		b, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, b, 0o600)
	})
}
