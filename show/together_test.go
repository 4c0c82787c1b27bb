package show_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/show"
	"waybill/show/showtest"
)

// beside is the store of one node, on which another node does something between a look and what comes of it.
type beside struct {
	show.Store
	looks     int // so many first
	meanwhile func()
}

func (b *beside) Setting(ctx context.Context, name string) ([]byte, error) {
	v, err := b.Store.Setting(ctx, name)
	if do := b.meanwhile; do != nil && name != "show/users" { // the users are only looked at first
		if b.looks--; b.looks < 0 {
			b.meanwhile = nil
			do()
		}
	}
	return v, err
}

// nodes are two of one book: what the other does, it does in the middle of what the first one does.
func nodes(t *testing.T) (first *place, other *show.Access, meanwhile func(looks int, do func())) {
	t.Helper()
	book := showtest.Rich(now)
	b := &beside{Store: book}
	first = open(t, book, func(o *show.Options) { o.Store = b })
	return first, open(t, book).Access(), func(looks int, do func()) { b.looks, b.meanwhile = looks, do }
}

func TestATokenTakenAwayOnOneNodeStaysSoWhateverAnotherDoes(t *testing.T) {
	first, other, meanwhile := nodes(t)
	leaked, err := other.Token(t.Context(), "leaked", show.Admin)
	if err != nil {
		t.Fatal(err)
	}
	meanwhile(0, func() {
		if err := other.Remove(t.Context(), "leaked"); err != nil {
			t.Error(err)
		}
	})
	fresh, err := first.Access().Token(t.Context(), "fresh", show.Viewer)
	if err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string]int{leaked: http.StatusUnauthorized, fresh: http.StatusOK} {
		res := first.ask(t, http.MethodGet, "/api/v1/overview", "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
		if res.StatusCode != want {
			t.Errorf("a token answers %d, want %d", res.StatusCode, want)
		}
	}
}

func TestOneNameIsAPersonOrATokenWhicheverNodeMakesIt(t *testing.T) {
	first, other, meanwhile := nodes(t)
	meanwhile(0, func() {
		if _, err := other.Token(t.Context(), "kiran", show.Viewer); err != nil {
			t.Error(err)
		}
	})
	if _, err := first.Access().Invite(t.Context(), "kiran", show.Admin); waybill.KindOf(err) != waybill.Conflict {
		t.Errorf("a person of the name that is a token's since a moment: %v", err)
	}
	people, err := other.People(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	of := 0
	for _, p := range people {
		if p.Name == "kiran" {
			of++
		}
	}
	if of != 1 {
		t.Errorf("the name is %d times among %+v", of, people)
	}
}

func TestRemovingSomebodyEndsAllOfItOrNothing(t *testing.T) {
	first, other, meanwhile := nodes(t)
	asha := first.signIn(t, "asha", show.Operator)
	meanwhile(2, func() { // while she is removed she signs in once more elsewhere
		path, err := other.Invite(t.Context(), "asha", show.Operator)
		if err != nil {
			t.Error(err)
		}
		open(t, first.book).ask(t, http.MethodPost, path, "")
	})
	if err := first.Access().Remove(t.Context(), "asha"); err != nil {
		t.Fatal(err)
	}
	if res := first.ask(t, http.MethodGet, "/events", "", asha); res.StatusCode != http.StatusSeeOther {
		t.Errorf("who was removed sees %d", res.StatusCode)
	}
	for _, name := range []string{"show/users", "show/links", "show/sessions"} {
		if kept, err := first.book.Setting(t.Context(), name); err != nil || strings.Contains(string(kept), "asha") {
			t.Errorf("%s still holds her: %s, %v", name, kept, err)
		}
	}
}

func TestALinkWorksOnceOnHoweverManyNodes(t *testing.T) {
	first, other, meanwhile := nodes(t)
	path, err := other.Invite(t.Context(), "asha", show.Operator)
	if err != nil {
		t.Fatal(err)
	}
	second := open(t, first.book)
	meanwhile(0, func() {
		if res := second.ask(t, http.MethodPost, path, ""); res.StatusCode != http.StatusSeeOther {
			t.Errorf("the first use answers %d", res.StatusCode)
		}
	})
	if res := first.ask(t, http.MethodPost, path, ""); res.StatusCode != http.StatusForbidden || len(res.Cookies()) > 0 {
		t.Errorf("the second use answers %d", res.StatusCode)
	}
}

func TestASessionEndedOnOneNodeStaysSoWhateverAnotherDoes(t *testing.T) {
	first, _, meanwhile := nodes(t)
	second := open(t, first.book)
	asha := first.signIn(t, "asha", show.Operator)
	first.at = now.Add(time.Hour)
	meanwhile(1, func() { second.ask(t, http.MethodPost, "/sign-out", "", asha) })
	first.ask(t, http.MethodGet, "/events", "", asha) // her use is noted
	if res := first.ask(t, http.MethodGet, "/events", "", asha); res.StatusCode != http.StatusSeeOther {
		t.Errorf("after signing out on another node she sees %d", res.StatusCode)
	}
}
