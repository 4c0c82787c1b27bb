package subject_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"waybill"
	"waybill/catalogue"
	"waybill/subject"
)

var (
	monday  = time.Date(2026, 10, 5, 10, 0, 0, 0, time.UTC)
	tuesday = monday.Add(24 * time.Hour)
)

func order(at time.Time, rank int, fields string, aliases ...waybill.Alias) waybill.Subject {
	return waybill.Subject{Type: "order", Name: "SO-1", FactTime: at, Rank: rank, Fields: []byte(fields), Aliases: aliases}
}

func TestAnOlderFactNeverOverwritesANewerOne(t *testing.T) {
	older := order(monday, 10, `{"due":{"currency":"INR","minor":100},"note":"first","status":"open"}`)
	newer := order(tuesday, 40, `{"due":{"currency":"INR","minor":120},"status":"paid"}`)
	want := `{"due":{"currency":"INR","minor":120},"note":"first","status":"paid"}`
	for name, got := range map[string]waybill.Subject{
		"in order":        subject.Merge(older, newer),
		"the wrong way":   subject.Merge(newer, older),
		"the newer twice": subject.Merge(subject.Merge(older, newer), newer),
		"the older twice": subject.Merge(subject.Merge(newer, older), older),
	} {
		if string(got.Fields) != want || !got.FactTime.Equal(tuesday) {
			t.Errorf("%s: %s at %v", name, got.Fields, got.FactTime)
		}
	}
}

func TestOfTwoFactsOfOneTimeTheHigherRankStands(t *testing.T) {
	created, paid := order(monday, 10, `{"status":"open"}`), order(monday, 40, `{"status":"paid"}`)
	for _, got := range []waybill.Subject{subject.Merge(created, paid), subject.Merge(paid, created)} {
		if string(got.Fields) != `{"status":"paid"}` {
			t.Errorf("fields %s", got.Fields)
		}
	}
}

func TestMergingIsTheSameInEveryOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		facts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) waybill.Subject {
			at := monday.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, "minute")) * time.Minute)
			field := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "field")
			// the value is a function of the time and the field, as it is with real facts
			return order(at, 10, `{"`+field+`":"`+at.Format(time.TimeOnly)+`"}`)
		}), 1, 6).Draw(t, "facts")
		shuffled := rapid.Permutation(facts).Draw(t, "order")
		one, two := facts[0], shuffled[0]
		for _, f := range facts[1:] {
			one = subject.Merge(one, f)
		}
		for _, f := range shuffled[1:] {
			two = subject.Merge(two, f)
		}
		if !one.FactTime.Equal(two.FactTime) {
			t.Fatalf("newest fact %v and %v", one.FactTime, two.FactTime)
		}
	})
}

func TestWhatTwoSystemsCallTheSameCustomerIsAPairing(t *testing.T) {
	s := waybill.Subject{Type: "customer", Aliases: []waybill.Alias{
		{Kind: "email", Value: "asha@example.com"}, {Kind: "stripe", Value: "cus_1"}, {Kind: "crm", Value: "847"},
	}}
	want := []waybill.Pairing{{Type: "customer", ConnA: "crm", IDA: "847", ConnB: "stripe", IDB: "cus_1"}}
	if diff := cmp.Diff(want, subject.Pairings(s)); diff != "" {
		t.Error(diff)
	}
}

func TestOneAliasInCommonMakesTwoTellingsOne(t *testing.T) {
	email := waybill.Alias{Kind: "email", Value: "asha@example.com"}
	a := order(monday, 1, `{}`, email)
	if b := order(tuesday, 1, `{}`, email); !subject.Same(a, b) {
		t.Error("the same e-mail is not the same subject")
	}
	if b := order(tuesday, 1, `{}`, waybill.Alias{Kind: "email", Value: "ravi@example.com"}); subject.Same(a, b) {
		t.Error("another e-mail is the same subject")
	}
}

func TestAnOrderEventIsAboutItsOrderAndItsCustomer(t *testing.T) {
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	e := &waybill.Event{Type: "order.paid_in_full", Connection: "stripe", OccurredAt: monday, Rank: 40}
	got := subject.Of(c.Type(e.Type), e, map[string]any{"id": "SO-1", "customer": map[string]any{"email": "asha@example.com"}})
	if len(got) != 2 || got[0].Name != "SO-1" || got[1].Name != "asha@example.com" || !got[1].FactTime.Equal(monday) {
		t.Errorf("subjects %+v", got)
	}
}
