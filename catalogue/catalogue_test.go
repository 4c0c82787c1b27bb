package catalogue_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill"
	"waybill/catalogue"
	"waybill/source"
)

func load(tb testing.TB) *catalogue.Catalogue {
	tb.Helper()
	c, err := catalogue.Load()
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func inr(minor int64) map[string]any { return map[string]any{"minor": minor, "currency": "INR"} }

func TestEveryEventSaysWhatItIsAndWhatMakesItTheSameFact(t *testing.T) {
	c := load(t)
	for _, typ := range c.Names() {
		d := c.Type(typ)
		if d.Title == "" || d.Fact == "" || d.Rank == 0 || d.Schema == nil || !strings.HasPrefix(d.Type, d.Noun+".") {
			t.Errorf("%s is incomplete: %+v", typ, d)
		}
		for _, told := range c.Expand(typ) {
			if c.Type(told) == nil {
				t.Errorf("%s is told as %s, which does not exist", typ, told)
			}
		}
	}
	for _, typ := range []string{
		"payment.pending", "payment.authorized", "payment.succeeded", "payment.failed", "refund.created", "refund.succeeded",
		"refund.failed", "dispute.opened", "dispute.updated", "dispute.won", "dispute.lost", "dispute.closed", "order.created",
		"order.updated", "order.paid", "order.part_paid", "order.paid_in_full", "order.overpaid", "order.cancelled",
		"lead.created", "lead.updated", "contact.created", "contact.updated", "contact.deleted", "deal.created",
		"deal.updated", "deal.stage_changed", "deal.won", "deal.lost", "message.received", "message.sent",
		"message.delivered", "message.read", "message.failed",
	} {
		if c.Type(typ) == nil {
			t.Errorf("there is no %s", typ)
		}
	}
}

func TestMoneyForAnOrderIsToldByWhatIsDueAndPaid(t *testing.T) {
	c := load(t)
	for name, test := range map[string]struct {
		due, paid, refunded int64
		told, status        string
		balance             int64
	}{
		"less than is due is paid in part":              {100, 60, 0, "order.part_paid", "part_paid", 40},
		"exactly what is due is paid in full":           {100, 100, 0, "order.paid_in_full", "paid", 0},
		"one more is overpaid":                          {100, 101, 0, "order.overpaid", "overpaid", -1},
		"what was given back counts against it":         {100, 100, 30, "order.part_paid", "part_paid", 30},
		"too much, with the rest given back, is enough": {100, 130, 30, "order.paid_in_full", "paid", 0},
		"nothing paid is nothing to tell":               {100, 0, 0, "", "", 0},
		"everything given back is nothing to tell":      {100, 100, 100, "", "", 0},
		"an order that costs nothing cannot be paid":    {0, 0, 0, "", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			data := map[string]any{"id": "SO-1", "due": inr(test.due), "paid_total": inr(test.paid), "customer": map[string]any{}}
			if test.refunded > 0 {
				data["refunded_total"] = inr(test.refunded)
			}
			out, ok, err := c.Derive(c.Type("order.paid"), data)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				if test.told != "" {
					t.Fatalf("told nothing, want %s", test.told)
				}
				return
			}
			if out.Definition.Type != test.told || out.Data["status"] != test.status {
				t.Fatalf("told %s as %v, want %s as %s", out.Definition.Type, out.Data["status"], test.told, test.status)
			}
			if diff := cmp.Diff(inr(test.balance), out.Data["balance"]); diff != "" {
				t.Error(diff)
			}
			if _, misfits := out.Definition.Conform(out.Data); len(misfits) > 0 {
				t.Errorf("misfits: %v", misfits)
			}
			if _, changed := data["balance"]; changed {
				t.Error("the data given was changed")
			}
		})
	}
}

func TestAmountsThatCannotBeAddedAreRefused(t *testing.T) {
	c := load(t)
	for name, data := range map[string]map[string]any{
		"two currencies":  {"due": inr(1), "paid_total": map[string]any{"minor": int64(1), "currency": "USD"}},
		"no money":        {"due": inr(1), "paid_total": "1"},
		"nothing at all":  {},
		"huge":            {"due": inr(1 << 62), "paid_total": inr(1)},
		"a refund in USD": {"due": inr(1), "paid_total": inr(1), "refunded_total": map[string]any{"minor": int64(1), "currency": "USD"}},
	} {
		if _, _, err := c.Derive(c.Type("order.paid"), data); waybill.KindOf(err) != waybill.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDataIsMadeToFitOrSaidNotTo(t *testing.T) {
	d := load(t).Type("payment.succeeded")
	out, misfits := d.Conform(map[string]any{
		"id": int64(9007199254740993), "status": "succeeded", "amount": map[string]any{"minor": int64(1), "currency": "inr"},
		"created_at": time.Unix(1790000000, 0), "method": "", "order_id": nil, "customer": map[string]any{"email": ""},
	})
	if len(misfits) > 0 {
		t.Fatalf("misfits: %v", misfits)
	}
	want := map[string]any{
		"id": "9007199254740993", "status": "succeeded", "amount": inr(1), "created_at": "2026-09-21T14:13:20Z",
		"customer": map[string]any{},
	}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Error(diff)
	}

	_, misfits = d.Conform(map[string]any{
		"status": "paid", "amount": "12.99", "customer": "Asha", "colour": "red", "created_at": "yesterday",
	})
	var paths []string
	for _, m := range misfits {
		paths = append(paths, m.Path)
	}
	slices.Sort(paths)
	if diff := cmp.Diff([]string{"amount", "colour", "created_at", "customer", "id", "status"}, paths); diff != "" {
		t.Error(diff)
	}
}

func TestAnEventSaysWhatItIsAboutAndHowItIsFound(t *testing.T) {
	d := load(t).In("IN").Type("order.paid_in_full")
	data := map[string]any{
		"id": "SO-1001", "due": inr(129900), "paid_total": inr(129900),
		"customer": map[string]any{"id": "cus_1", "email": "Asha@Example.com ", "phone": "98765 43210"},
	}
	if got := d.SubjectOf(data); got != "Order SO-1001" {
		t.Errorf("subject %q", got)
	}
	wantKeys := []waybill.SearchKey{
		{Kind: "amount", Value: "129900"},
		{Kind: "email", Value: "asha@example.com"},
		{Kind: "order", Value: "SO-1001"},
		{Kind: "phone", Value: "+919876543210"},
	}
	if diff := cmp.Diff(wantKeys, d.Search(data)); diff != "" {
		t.Error(diff)
	}
	objects := d.Objects("stripe", data)
	if len(objects) != 2 || objects[0].Type != "order" || objects[1].Type != "customer" {
		t.Fatalf("objects %+v", objects)
	}
	wantAliases := []waybill.Alias{
		{Kind: "stripe", Value: "cus_1"}, {Kind: "email", Value: "asha@example.com"}, {Kind: "phone", Value: "+919876543210"},
	}
	if diff := cmp.Diff(wantAliases, objects[1].Aliases); diff != "" {
		t.Error(diff)
	}
	if objects := d.Objects("stripe", map[string]any{"id": "SO-1", "customer": map[string]any{}}); len(objects) != 1 {
		t.Errorf("a customer without any name of its own is an object: %+v", objects)
	}
}

func TestAPaymentWithoutAnOrderIsAboutItself(t *testing.T) {
	d := load(t).Type("payment.succeeded")
	if got := d.SubjectOf(map[string]any{"id": "pi_1"}); got != "Payment pi_1" {
		t.Errorf("subject %q", got)
	}
}

func TestAWorkspaceAddsItsOwnEvents(t *testing.T) {
	node, faults := source.Parse("events/visit.yaml", []byte(`noun: visit
title: Visit
subject: "Visit ${id}"
schema:
  required: [id]
  properties:
    id: {type: string}
events:
  booked: {title: A visit was booked, rank: 10, fact: the visit}
`))
	if faults.Bad() {
		t.Fatal(faults)
	}
	defs, faults := catalogue.Parse(node)
	if faults.Bad() {
		t.Fatal(faults)
	}
	before := load(t)
	after := before.With(defs)
	if after.Type("visit.booked") == nil || before.Type("visit.booked") != nil || after.Type("payment.succeeded") == nil {
		t.Error("the own event is not added, or the built-in set changed")
	}
}

func TestAPathWithoutAFieldIsAFault(t *testing.T) {
	node, _ := source.Parse("events/visit.yaml", []byte(`noun: visit
title: Visit
search: {id: [idd]}
schema: {properties: {id: {type: string}}}
events:
  booked: {title: A visit was booked, fact: the visit}
`))
	_, faults := catalogue.Parse(node)
	if len(faults) != 1 || faults[0].Code != "E422" || faults[0].Span.Line != 3 {
		t.Errorf("faults %v", faults)
	}
}
