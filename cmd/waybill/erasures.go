package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"waybill"
	"waybill/record"
)

// The list of who was erased, by hashes, lies in a file beside the key file, which no backup of the book holds and which a
// restore needs anyway. A book and its list are made equal whenever the book is opened: what the book erased is added to the
// list, and whom the list names is erased in a book that does not know it, because it is an older one. So an older copy is never
// served with somebody in it who was erased, however it came to its place.

// erasedFile is where the list of a book's erasures is kept.
func (p place) erasedFile() string {
	return filepath.Join(filepath.Dir(p.keyFile), filepath.Base(p.beside)+".erased")
}

// readErased reads a list of erasures; nil when there is none.
func readErased(path string) ([]waybill.Erasure, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the list of erasures: %w", err)
	}
	list, err := parseErased(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

func parseErased(text string) ([]waybill.Erasure, error) {
	list := []waybill.Erasure{}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, &waybill.Error{Kind: waybill.Invalid, Message: "this is no list of erasures", Hint: "give the file that is kept beside the key file, or that waybill person erasures printed", Err: err}
	}
	return list, nil
}

// keepErased makes the book and its list equal.
func (o *opened) keepErased(ctx context.Context) error {
	o.erasing.Lock()
	defer o.erasing.Unlock()
	listed, err := readErased(o.erased)
	if err != nil {
		return err
	}
	again, err := o.book.EraseAgain(ctx, listed, "Waybill")
	if err != nil {
		return fmt.Errorf("erase again whom %s names: %w", o.erased, err)
	}
	if again.People > 0 {
		if err := o.book.Compact(ctx); err != nil {
			return err
		}
	}
	var known []waybill.Erasure
	if err := o.book.View(ctx, func(tx *record.Tx) (err error) { known, err = tx.Erasures(); return err }); err != nil {
		return err
	}
	all := slices.Clone(listed)
	for _, e := range known {
		if !slices.ContainsFunc(listed, func(l waybill.Erasure) bool { return l.ID == e.ID }) {
			e.Open = nil // of the book, not of the list
			all = append(all, e)
		}
	}
	if len(all) == len(listed) {
		return nil
	}
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return replaceFile(o.erased, text)
}

// replaceFile writes a file so that a crash leaves the old one or the new one, whole.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// erasedFor is the list that a restore goes by: the one that is named, else the one beside the key file. None is no list.
func (m *Main) erasedFor(p place, named string) ([]waybill.Erasure, error) {
	switch named {
	case "none":
		return []waybill.Erasure{}, nil
	case "":
		return readErased(p.erasedFile())
	}
	list, err := readErased(m.path(named))
	if err == nil && list == nil {
		err = &waybill.Error{Kind: waybill.NotFound, Message: "there is no list of erasures at " + named, Hint: "name the file that is kept beside the key file, or that waybill person erasures printed"}
	}
	return list, err
}

// erasedWords says what a restore did about people who were erased.
func erasedWords(list []waybill.Erasure, p place, done waybill.ErasedAgain) []string {
	if list == nil {
		return []string{
			"There is no list of erasures at " + p.erasedFile() + ": if somebody was erased after the backup, they are in this book again.",
			"Then, before you serve it: waybill person erasures --from LIST",
		}
	}
	var lines []string
	if done.Unknown > 0 {
		lines = append(lines, fmt.Sprintf("%s since the backup; %s in it, and erased again.",
			count(done.Unknown, "erasure was made", "erasures were made"), count(done.People, "of these people was", "of these people were")))
	}
	return append(lines, staysWords(done.Kept)...)
}

func staysWords(kept []waybill.PersonKept) []string {
	var lines []string
	for _, k := range kept {
		lines = append(lines, strings.Join(strings.Fields(fmt.Sprintf("Stays: %s %s", k.Event, k.Why)), " "))
	}
	return lines
}
