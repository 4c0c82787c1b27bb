package receive

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"waybill"
	"waybill/connector"
)

// Bounds of what one arrival may tell.
const (
	maxItems     = 10_000
	maxKeyBytes  = 200
	maxTypeBytes = 200
)

// unreadable is why a body could not be read, in words, with its place where that is known.
type unreadable struct {
	title  string // one of few, for counting
	detail string
}

func (u *unreadable) words() string {
	if u.detail == "" {
		return u.title
	}
	return u.title + ": " + u.detail
}

// read reads a body in the format of the manifest.
func read(format string, h http.Header, body []byte) (any, *unreadable) {
	if encoding := h.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, &unreadable{title: "the body is compressed"}
	}
	switch format {
	case "", "json":
		value, err := connector.DecodeJSON(body)
		if err != nil {
			return nil, &unreadable{title: "the body is no readable JSON", detail: place(err, body)}
		}
		return value, nil
	case "form":
		fields, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, &unreadable{title: "the body is no readable form"}
		}
		out := make(map[string]any, len(fields))
		for name, values := range fields {
			if len(values) == 1 {
				out[name] = values[0]
				continue
			}
			list := make([]any, len(values))
			for i, v := range values {
				list[i] = v
			}
			out[name] = list
		}
		return out, nil
	default:
		return nil, &unreadable{title: "the body's format is not one that is read yet", detail: format}
	}
}

// place says what is wrong with a JSON text and where.
func place(err error, body []byte) string {
	var syntax *jsontext.SyntacticError
	if !errors.As(err, &syntax) {
		if inner := errors.Unwrap(err); inner != nil {
			return inner.Error()
		}
		return err.Error()
	}
	at := min(max(syntax.ByteOffset, 0), int64(len(body)))
	before := string(body[:at])
	line := 1 + strings.Count(before, "\n")
	column := 1 + len(before) - (strings.LastIndexByte(before, '\n') + 1)
	what := "it is cut off"
	if syntax.Err != nil && at < int64(len(body)) {
		what = syntax.Err.Error()
	}
	if p := string(syntax.JSONPointer); p != "" {
		what += " at " + p
	}
	return fmt.Sprintf("line %d, column %d: %s", line, column, cut(what, 200))
}

// fits reports whether a Content-Type may be one of the format. Only what clearly is something else does not: many senders
// say nothing, or text/plain.
func fits(format string, h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || kind == "" {
		return h.Get("Content-Type") == ""
	}
	form := kind == "application/x-www-form-urlencoded"
	if format == "form" {
		return form
	}
	other := form || strings.HasPrefix(kind, "multipart/") || strings.HasPrefix(kind, "image/") || strings.HasPrefix(kind, "audio/") || strings.HasPrefix(kind, "video/")
	if format == "" || format == "json" {
		other = other || strings.HasSuffix(kind, "xml") || kind == "text/html" || strings.HasPrefix(kind, "application/x-") && !strings.HasSuffix(kind, "json")
	}
	return !other
}

// items splits a readable body that is proven genuine. It never gives none.
func (d *Door) items(in connector.Incoming, body []byte, now time.Time) []waybill.Item {
	if tooMany(d.Manifest.Webhook, in.Body, body) {
		return []waybill.Item{d.blocked(body, now, waybill.FormatChanged, fmt.Sprintf("the body holds more than %d items", maxItems))}
	}
	found := d.Manifest.ItemsOf(in)
	whole := d.refuseWhole(in)
	out := make([]waybill.Item, len(found))
	for i, f := range found {
		it := waybill.Item{
			Index: i, Type: cut(f.Type, maxTypeBytes), DeliveryKey: bounded(f.Key), Pointer: f.Pointer,
			OccurredAt: f.Time, ReceivedAt: now, State: waybill.ItemKept,
		}
		if it.DeliveryKey == "" {
			it.DeliveryKey = connector.BodyKey(body, f.Pointer)
			it.KeyUntil = now.Add(d.Manifest.Webhook.RetryWindow)
		}
		account, wrong := d.account(f.Account)
		it.Connection, it.Account = account.Connection, account.ID
		switch {
		case d.Removed:
			it.State, it.Reason = waybill.ItemBlocked, d.removedWords()
		case whole != "":
			it.State, it.Reason = waybill.ItemBlocked, whole
		case wrong != "":
			it.State, it.Reason = waybill.ItemBlocked, wrong
		}
		out[i] = it
	}
	return out
}

// blocked is the one item of a body that cannot be split: kept whole, on a person's list.
func (d *Door) blocked(body []byte, now time.Time, cause waybill.Cause, words string) waybill.Item {
	account, _ := d.account("")
	it := waybill.Item{
		Connection: account.Connection, Account: account.ID, ReceivedAt: now, State: waybill.ItemBlocked, Reason: because(cause, words),
		DeliveryKey: connector.BodyKey(body, ""), KeyUntil: now.Add(d.Manifest.Webhook.RetryWindow),
	}
	if d.Removed {
		it.Reason = d.removedWords()
	}
	return it
}

// because begins a reason with its cause, by which the problem it joins is found: "their format changed: ...".
func because(cause waybill.Cause, words string) string { return string(cause) + ": " + words }

func (d *Door) removedWords() string {
	return because(waybill.WaitingForPerson, fmt.Sprintf("the connection %s is no longer in the workspace; what it sends is kept until a person retires it", d.Name))
}

// refuseWhole says why nothing of a genuine body may be used: live and test traffic are never mixed.
func (d *Door) refuseWhole(in connector.Incoming) string {
	live, said := d.Manifest.Live(in)
	production := d.Environment == "production"
	switch {
	case !said || live == production:
		return ""
	case live:
		return because(waybill.BadSender, fmt.Sprintf("this is live traffic, and this book is of the %s environment; point their live webhook to the production address", d.Environment))
	default:
		return because(waybill.BadSender, "this is test traffic, and this book is of production; point their test webhook to the test address")
	}
}

// account finds the account an item is for by what its payload says, and says in words when it is none of ours.
func (d *Door) account(said string) (Account, string) {
	if len(d.Accounts) == 1 {
		own := d.Accounts[0]
		switch {
		case own.ID == "":
			own.ID = said
			return own, ""
		case said == "" || said == own.ID:
			return own, ""
		default:
			return own, because(waybill.BadSender, fmt.Sprintf("it is for the account %s, and the connection %s is the account %s", cut(said, maxNameBytes), own.Connection, own.ID))
		}
	}
	for _, a := range d.Accounts {
		if said != "" && a.ID == said {
			return a, ""
		}
	}
	none := Account{Connection: d.Name}
	if said == "" {
		return none, because(waybill.BadSender, "it does not say which account it is for, and this address serves several")
	}
	return none, because(waybill.BadSender, fmt.Sprintf("it is for the account %s, which no connection of this workspace has", cut(said, maxNameBytes)))
}

// tooMany reports whether a body would split into more items than one arrival may have. An item takes at least two bytes.
func tooMany(w *connector.Webhook, value any, body []byte) bool {
	if len(body) < 2*maxItems {
		return false
	}
	n := 0
	for _, rule := range w.Items {
		n += len(connector.Find(value, rule.Each))
	}
	return n > maxItems
}

// bounded shortens a key that is too long for an index to its hash.
func bounded(key string) string {
	if len(key) <= maxKeyBytes {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "sha256:" + hex.EncodeToString(sum[:])
}
