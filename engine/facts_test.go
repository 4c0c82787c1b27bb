package engine_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/simulator"
)

// permutations calls visit with every order of 0..n-1.
func permutations(n int, visit func([]int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var walk func(int)
	walk = func(i int) {
		if i == n {
			visit(slices.Clone(order))
			return
		}
		for j := i; j < n; j++ {
			order[i], order[j] = order[j], order[i]
			walk(i + 1)
			order[i], order[j] = order[j], order[i]
		}
	}
	walk(0)
}

func TestAllWebhooksOfOnePaymentInEveryOrderTwiceMakeOneFactAndOneRun(t *testing.T) {
	flows := map[string]string{
		"flows/paid.yaml":  "flow: paid\ntitle: Paid\nowner: ops\non: payment.succeeded\nsteps:\n" + strings.Replace(sendStep, "write", "tell", 1),
		"flows/order.yaml": "flow: order\ntitle: Order\nowner: ops\non: order.paid_in_full\nsteps:\n  - id: tell\n    do: out.request.post\n    with: {path: /paid, body: {order: \"${order.id}\"}}\n",
	}
	ws := load(t, files(flows))
	for _, c := range []struct {
		connection string
		samples    []string
		set        map[string]string
	}{
		{"rzp", []string{"payment.authorized", "payment.captured", "order.paid"}, map[string]string{
			"order_id": "SO-1001", "payload.payment.entity.id": "pay_Same0000000001", "payload.payment.entity.order_id": "order_Same0000000001",
		}},
		{"pay", []string{"payment_intent.succeeded", "charge.succeeded", "checkout.session.completed"}, map[string]string{"order_id": "SO-1001"}},
	} {
		permutations(len(c.samples), func(order []int) {
			for _, together := range []bool{true, false} {
				name := fmt.Sprintf("%s %v together %v", c.connection, order, together)
				r := newRig(t, ws)
				hooks := make([]simulator.Webhook, len(c.samples))
				for i, sample := range c.samples {
					set := map[string]string{}
					maps.Copy(set, c.set)
					hooks[i] = samePayment(r, c.connection, sample, set)
				}
				for range 2 {
					for _, i := range order {
						if code := r.deliver(t.Context(), hooks[i]); code != http.StatusOK {
							t.Fatalf("%s: answered with %d", name, code)
						}
						if !together {
							r.run(3 * time.Second)
						}
					}
				}
				r.run(time.Minute)
				for _, typ := range []string{"payment.succeeded", "order.paid_in_full"} {
					if n := r.events()[typ]; n != 1 {
						t.Errorf("%s: %d of %s: %v", name, n, typ, r.events())
					}
				}
				for _, flow := range []string{"paid", "order"} {
					n := 0
					for _, run := range r.runs() {
						if run.Flow == flow {
							n++
							r.wantRun(run, waybill.RunDone, "")
						}
					}
					if n != 1 {
						t.Errorf("%s: %d runs of %s", name, n, flow)
					}
				}
				if r.called("out.request.send") != 1 || r.called("out.request.post") != 1 {
					t.Errorf("%s: calls %v", name, r.calls)
				}
				r.wantNoProblem()
			}
		})
	}
}

// samePayment makes a webhook that tells of one and the same payment, whichever sample it is.
func samePayment(r *rig, connection, sample string, set map[string]string) simulator.Webhook {
	r.t.Helper()
	switch sample {
	case "payment_intent.succeeded":
		set["data.object.id"] = "pi_Same0000000001"
	case "charge.succeeded", "checkout.session.completed":
		set["data.object.payment_intent"] = "pi_Same0000000001"
	case "order.paid":
		set["payload.order.entity.id"] = "order_Same0000000001"
	}
	hooks := r.hooks(connection, sample, simulator.TriggerOptions{Set: set})
	if len(hooks) != 1 {
		r.t.Fatalf("%d webhooks of %s", len(hooks), sample)
	}
	return hooks[0]
}
