package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"waybill"
	"waybill/record"
	"waybill/secret"
)

// place says where a workspace's book and key are.
type place struct {
	dir      string // the workspace
	database string // sqlite:PATH or postgres://…
	keyFile  string
	listen   string // the database server's own address, when database is a pooler's
	beside   string // what is kept for the book in files of this machine begins with this path
}

// file is the path of the book's file; empty when it is in a database server.
func (p place) file() string {
	path, ok := strings.CutPrefix(p.database, "sqlite:")
	if !ok {
		return ""
	}
	return path
}

// shown is where the book is, without what is secret.
func (p place) shown() string {
	if p.file() != "" {
		return p.file()
	}
	u, err := url.Parse(p.database)
	if err != nil {
		return "the database"
	}
	return "postgres://" + u.Host + u.Path
}

// place works out where the book is: beside the workspace, in .waybill, unless told otherwise.
func (m *Main) place(dir, database string) (place, error) {
	p := place{dir: dir, database: database, keyFile: m.Getenv("WAYBILL_KEY_FILE")}
	if p.database == "" {
		p.database = "sqlite:" + filepath.Join(dir, ".waybill", "waybill.db")
	}
	scheme, path, ok := strings.Cut(p.database, ":")
	switch {
	case scheme == "postgres" || scheme == "postgresql":
		// Several books may belong to one workspace: one for each environment.
		sum := sha256.Sum256([]byte(p.shown()))
		p.beside = filepath.Join(dir, ".waybill", fmt.Sprintf("postgres-%x", sum[:4]))
	case ok && scheme == "sqlite" && path != "":
		p.beside = path
	default:
		return p, usage{fmt.Errorf("the database is sqlite:PATH or postgres://user@host/name, not %q", scheme)}
	}
	if p.keyFile == "" {
		p.keyFile = filepath.Join(filepath.Dir(p.beside), "waybill.key")
	}
	return p, nil
}

// opened is an open book with its keys.
type opened struct {
	book    *record.Book
	keys    *secret.Keyring
	ids     *waybill.IDs
	redact  *secret.Redactor
	erased  string // the file of its erasures, written under erasing
	erasing sync.Mutex
	newKey  bool // the key file was created just now
	mu      sync.Mutex
	secrets map[string]readSecret // by sealed name, as far as they were read
	fixed   map[string]string     // the made-up secrets of offline connections
	shared  bool                  // other nodes may change the secrets
}

// openBook opens the book and its key. A key is created only together with an empty book: with any other book a missing
// key would make every sealed secret unreadable.
func (m *Main) openBook(ctx context.Context, p place, env string) (*opened, error) {
	known, err := record.Exists(ctx, p.database)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(p.beside), 0o700); err != nil {
		return nil, fmt.Errorf("make the book's folder: %w", err)
	}
	o := &opened{redact: secret.NewRedactor(), secrets: map[string]readSecret{}, erased: p.erasedFile()}
	o.ids = waybill.NewIDs(time.Now, nil)
	key, err := os.ReadFile(p.keyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !known:
		if key, err = secret.NewKeyset(); err != nil {
			return nil, err
		}
		if o.newKey, err = writeKey(p.keyFile, key); err != nil {
			return nil, fmt.Errorf("write the key file: %w", err)
		}
		if !o.newKey { // another process that starts at this moment was first
			if key, err = os.ReadFile(p.keyFile); err != nil {
				return nil, fmt.Errorf("read the key file: %w", err)
			}
		}
	case errors.Is(err, fs.ErrNotExist):
		return nil, &waybill.Error{
			Kind: waybill.NotFound, Message: fmt.Sprintf("the key file %s is missing", p.keyFile),
			Hint: "the book's secrets are sealed with it: put it back, or name it with WAYBILL_KEY_FILE; it cannot be made anew",
		}
	case err != nil:
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	if o.keys, err = secret.OpenKeyring(key); err != nil {
		return nil, err
	}
	o.shared = p.file() == ""
	o.book, err = record.Open(ctx, p.database, record.Options{Now: time.Now, IDs: o.ids, Environment: env, Listen: p.listen})
	if err != nil {
		return nil, err
	}
	if err = o.sealedWith(ctx, p); err == nil {
		err = o.keepErased(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, o.book.Close())
	}
	return o, nil
}

// sealedWith makes the key the book's own, and refuses another one: what it sealed the other nodes could not read. A key that
// was made just now, while another machine made the book with its own, is taken away again: it has sealed nothing.
func (o *opened) sealedWith(ctx context.Context, p place) error {
	var id string
	err := o.book.Do(ctx, func(tx *record.Tx) (err error) {
		id, err = tx.PinKey(o.keys.ID())
		return err
	})
	if err != nil || o.keys.Has(id) {
		return err
	}
	if o.newKey {
		err = os.Remove(p.keyFile)
	}
	return errors.Join(&waybill.Error{
		Kind: waybill.Conflict, Message: fmt.Sprintf("the book at %s is sealed with another key (%s) than the one in %s (%s)", p.shown(), id, p.keyFile, o.keys.ID()),
		Hint: "copy the key file of the node that made the book there: every node needs the same one",
	}, err)
}

// writeKey writes a key so that a crash leaves none or a whole one; false when there is one by now.
func writeKey(path string, key []byte) (bool, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*")
	if err != nil {
		return false, err
	}
	defer func() { _ = os.Remove(f.Name()) }() // the link stays
	if _, err = f.Write(key); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return false, err
	}
	err = os.Link(f.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

// rereadSecrets is how long a secret is used that another node may have put another one in the place of.
const rereadSecrets = 2 * time.Second

// readSecretWithin is how long a secret is tried to be read: senders wait for it.
const readSecretWithin = 5 * time.Second

// readSecret is a secret's value as it was read; empty when there is none.
type readSecret struct {
	value string
	at    time.Time
}

// secret returns the clear value sealed under a name. NotFound when there is none; another error when the book cannot be
// read now and no value was read before: nobody may be taken for a stranger because of that.
func (o *opened) secret(name string) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	had, ok := o.secrets[name]
	if !ok || o.shared && time.Since(had.at) > rereadSecrets {
		value, err := o.readSecret(name)
		if err != nil && had.value == "" {
			return "", err
		}
		if err == nil {
			had.value = value
		}
		had.at = time.Now()
		o.secrets[name] = had
		if had.value != "" {
			o.redact.Learn(name, had.value)
		}
	}
	if had.value == "" {
		return "", &waybill.Error{Kind: waybill.NotFound, Message: "no secret " + name + " is sealed", Hint: "seal it with: waybill secret set " + name}
	}
	return had.value, nil
}

// readSecret reads a secret from the book; empty when there is none, or none that this key opens.
func (o *opened) readSecret(name string) (string, error) {
	ctx, stop := context.WithTimeout(context.Background(), readSecretWithin)
	defer stop()
	value := o.fixed[name]
	err := o.book.View(ctx, func(tx *record.Tx) error {
		sealed, err := tx.Secret(name)
		if err != nil {
			return err
		}
		if opened, err := o.keys.Open(name, sealed); err == nil {
			value = string(opened)
		}
		return nil
	})
	if waybill.KindOf(err) == waybill.NotFound {
		return value, nil
	}
	return value, err
}

// fresh is secret as the book has it this moment.
func (o *opened) fresh(name string) (string, error) {
	value, err := o.readSecret(name)
	if err != nil {
		return "", err
	}
	o.mu.Lock()
	o.secrets[name] = readSecret{value: value, at: time.Now()}
	o.mu.Unlock()
	o.redact.Learn(name, value)
	return value, nil
}

// setSecret seals a value; it is used from the next call on.
func (o *opened) setSecret(ctx context.Context, name, value, who string) error {
	sealed := o.keys.Seal(name, []byte(value))
	row := &waybill.Audited{ID: o.ids.New("aud"), At: time.Now(), Who: who, Action: "set secret", Object: name, After: secret.Fingerprint(value)}
	err := o.book.Do(ctx, func(tx *record.Tx) error {
		if err := tx.SetSecret(name, sealed); err != nil {
			return err
		}
		return tx.Audit(row)
	})
	o.mu.Lock()
	delete(o.secrets, name)
	o.mu.Unlock()
	o.redact.Learn(name, value)
	return err
}

// removeSecret forgets a secret.
func (o *opened) removeSecret(ctx context.Context, name, who string) error {
	row := &waybill.Audited{ID: o.ids.New("aud"), At: time.Now(), Who: who, Action: "remove secret", Object: name}
	err := o.book.Do(ctx, func(tx *record.Tx) error {
		if err := tx.DeleteSecret(name); err != nil {
			return err
		}
		return tx.Audit(row)
	})
	o.mu.Lock()
	delete(o.secrets, name)
	o.mu.Unlock()
	return err
}

// keyNote is what a person must know of a new key.
func keyNote(path string) string {
	return fmt.Sprintf(`A new key was written to %s.
Every secret in this book is sealed with it. Copy it to a safe place now, apart from backups of the book:
without it the secrets cannot be read, and with it anybody who has the book can.`, path)
}
