package simulator

import (
	"context"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"waybill/connector"
)

// Plan is the life of a small business as the demo plays it. Shares are from 0 to 1.
type Plan struct {
	Rate      float64  // stories a second; 0 is one
	NoDeal    float64  // orders the CRM does not know
	NoPhone   float64  // customers who leave no phone number
	NoEmail   float64  // customers who leave no e-mail
	Tells     []Tell   // webhooks beside the connectors' own stories
	Forms     []string // Waybill's own forms that leads fill in
	FormsURL  string   // Waybill's address, for them: https://waybill.example
	FormShare int      // weight of a lead by form among the stories; 0 is 10
	Faults    map[FaultKind]float64
	Script    []Fault
}

// Tell is a webhook that a connection sends about somebody new, such as a form of the website. It is left out where there
// is no such connection.
type Tell struct {
	Connection string
	Event      string
	Share      int // its weight among all stories
}

// DemoPlan is a mix in which, within a minute, several causes of trouble show: a deal that is missing, a customer without a
// phone, a status nobody has seen, a refusal, an outage that ends by itself, and a message of which nobody knows whether
// it left.
func DemoPlan() Plan {
	return Plan{
		Rate: 1, NoDeal: 0.1, NoPhone: 0.1, NoEmail: 0.05,
		Tells: []Tell{{Connection: "website", Event: "form.submitted", Share: 10}},
		Faults: map[FaultKind]float64{
			Duplicate: 0.06, Reordered: 0.05, Late: 0.01, Forged: 0.02,
			RateLimited: 0.01, ErrorBefore: 0.01, LostAfter: 0.005, Lag: 0.01,
		},
		Script: []Fault{
			{Match: "template.send", Kind: ResetBefore, Probability: 0.3},
			{Match: "template.send", Kind: BusinessNo, Probability: 0.2},
			{Match: "deal.update", Kind: BusinessNo, Probability: 0.1},
			{Match: "deal.find", Kind: RateLimited, RetryAfter: 5 * time.Second, Times: 3, Probability: 0.2},
			{Match: "message.post", Kind: LostAfter, Probability: 0.2},
			{Match: "contact.upsert", Kind: ErrorAfter, Probability: 0.2},
		},
	}
}

// maxOrders is how many earlier orders stories may come back to.
const maxOrders = 400

// prices in minor units, so that amounts look like a shop's.
var prices = []int64{ // a table that nothing changes
	49900, 79900, 99900, 129900, 149900, 199900, 249900, 349900, 499900, 899900, 1249900, 24900, 64950, 118000,
}

// order is one customer's purchase, as far as the world has told it.
type order struct {
	vars  map[string]any
	names map[string]map[string]any // by connection: the objects it has there
	told  map[string]bool           // connection and story
}

// traffic is a running plan.
type traffic struct {
	world  *World
	plan   Plan
	rand   *rand.Rand
	met    int // people so far
	people []customer
	orders []*order
	ended  bool
}

// Traffic starts a plan on the world's clock and returns what ends it. Its faults are added to the world's.
func (w *World) Traffic(p Plan) (stop func()) {
	if p.Rate <= 0 {
		p.Rate = 1
	}
	if p.FormShare == 0 {
		p.FormShare = 10
	}
	w.Script(p.Script...)
	w.mu.Lock()
	if p.Faults != nil {
		w.storm = maps.Clone(p.Faults)
	}
	t := &traffic{world: w, plan: p, rand: rand.New(rand.NewPCG(w.seed, 3))} // repeatable
	w.mu.Unlock()
	t.next()
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		t.ended = true
	}
}

// next plans the next story: they come as customers do, not on the beat.
func (t *traffic) next() {
	pause := time.Duration(t.rand.ExpFloat64() / t.plan.Rate * float64(time.Second))
	t.world.options.Clock.After(min(pause, 10*time.Second), t.tick)
}

func (t *traffic) tick() {
	w := t.world
	w.mu.Lock()
	if t.ended || w.stopped {
		w.mu.Unlock()
		return
	}
	var after []func()
	for range 8 { // a story about an earlier order may find none yet
		if after = t.pick(); after != nil {
			break
		}
	}
	w.mu.Unlock()
	for _, fn := range after {
		fn()
	}
	t.next()
}

// pick chooses a story by its weight and returns what makes it happen; nil when it cannot happen yet.
func (t *traffic) pick() []func() {
	type choice struct {
		account *account
		story   *connector.SimStory // nil: a lead by form, or a tell
		event   string
		share   int
	}
	var choices []choice
	total := 0
	for _, name := range slices.Sorted(maps.Keys(t.world.accounts)) {
		a := t.world.accounts[name]
		for _, s := range a.sim.Stories {
			choices = append(choices, choice{account: a, story: s, share: s.Share})
			total += s.Share
		}
	}
	for _, tell := range t.plan.Tells {
		if a := t.world.accounts[tell.Connection]; a != nil && a.sim.Events[tell.Event] != nil {
			choices = append(choices, choice{account: a, event: tell.Event, share: tell.Share})
			total += tell.Share
		}
	}
	if len(t.plan.Forms) > 0 {
		choices = append(choices, choice{share: t.plan.FormShare})
		total += t.plan.FormShare
	}
	if total == 0 {
		return nil
	}
	at := t.rand.IntN(total)
	for _, c := range choices {
		if at -= c.share; at >= 0 {
			continue
		}
		switch {
		case c.account == nil:
			return t.lead()
		case c.story == nil:
			names := map[string]any{"vars": t.somebody().vars()}
			return []func(){func() { t.world.plan(c.account, sending{event: c.event, scope: names}) }}
		default:
			return t.story(c.account, c.story)
		}
	}
	return nil
}

func (t *traffic) story(a *account, s *connector.SimStory) []func() {
	o, names := t.about(a, s)
	if o == nil {
		return nil
	}
	vars := maps.Clone(o.vars)
	maps.Copy(vars, s.Vars)
	names["vars"] = vars
	var after []func()
	for _, send := range s.Sends {
		if a.sim.Events[send.Event] == nil {
			continue
		}
		after = append(after, func() {
			t.world.plan(a, sending{event: send.Event, after: send.After, scope: names})
		})
	}
	return after
}

// about finds or makes the order a story is about, with the names it has at the account.
func (t *traffic) about(a *account, s *connector.SimStory) (*order, map[string]any) {
	if !s.Earlier && len(s.Needs) == 0 {
		o := t.newOrder()
		names := o.names[a.name]
		if names == nil {
			names = map[string]any{}
			o.names[a.name] = names
		}
		return o, names
	}
	key := a.name + "/" + s.Name
	for range 12 {
		if len(t.orders) == 0 {
			return nil, nil
		}
		o := t.orders[t.rand.IntN(len(t.orders))]
		has := !slices.ContainsFunc(s.Needs, func(name string) bool { return o.names[a.name][name] == nil })
		if has && !o.told[key] {
			o.told[key] = true
			names := maps.Clone(o.names[a.name])
			if names == nil || len(s.Needs) == 0 {
				names = map[string]any{}
			}
			return o, names
		}
	}
	return nil, nil
}

// strikes tosses for a share. Nothing is amiss with the first three orders, so that people see how it should be.
func (t *traffic) strikes(share float64) bool {
	return t.rand.Float64() < share && t.world.orders > 3
}

// somebody is a customer: every fourth comes again.
func (t *traffic) somebody() customer {
	if len(t.people) > 4 && t.rand.Float64() < 0.25 {
		return t.people[t.rand.IntN(len(t.people))]
	}
	t.met++
	c := person(t.rand, t.met-1)
	if t.strikes(t.plan.NoPhone) {
		c.phone = ""
	}
	if t.strikes(t.plan.NoEmail) && c.phone != "" {
		c.email = ""
	}
	if t.people = append(t.people, c); len(t.people) > maxOrders {
		t.people = slices.Clone(t.people[1:])
	}
	return c
}

func (t *traffic) newOrder() *order {
	vars := t.somebody().vars()
	amount := prices[t.rand.IntN(len(prices))]
	vars["amount"], vars["order_id"] = amount, orderNumber(t.world.orders)
	vars["refund_amount"] = amount
	if t.rand.IntN(2) == 0 {
		vars["refund_amount"] = amount / 4 / 100 * 100
	}
	t.world.orders++
	t.world.known[orderNumber(t.world.orders-1)] = true
	o := &order{vars: vars, names: map[string]map[string]any{}, told: map[string]bool{}}
	if !t.strikes(t.plan.NoDeal) {
		t.seed(o)
	}
	if t.orders = append(t.orders, o); len(t.orders) > maxOrders {
		t.orders = slices.Clone(t.orders[1:])
	}
	return o
}

// seed tells the accounts that keep something about every order.
func (t *traffic) seed(o *order) {
	for _, name := range slices.Sorted(maps.Keys(t.world.accounts)) {
		a := t.world.accounts[name]
		if len(a.sim.Seed) > 0 {
			o.names[name], _ = a.seed(o.vars, t.world.options.Clock.Now())
		}
	}
}

// Seed tells an account of an order made elsewhere, as its seed says: a CRM then has its deal. vars are those of samples;
// what is not given is made up.
func (w *World) Seed(connection string, vars map[string]any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, err := w.account(connection)
	if err != nil {
		return err
	}
	all := person(a.rand, 0).vars()
	all["order_id"] = orderNumber(0)
	maps.Copy(all, vars)
	_, err = a.seed(all, w.options.Clock.Now())
	return err
}

func (a *account) seed(vars map[string]any, now time.Time) (map[string]any, error) {
	act := &act{account: a, now: now, action: "seed", settled: true, scope: a.scope(now, withAmountText(vars))}
	err := act.run(a.sim.Seed)
	names := map[string]any{}
	for _, step := range a.sim.Seed {
		if step.As != "" && err == nil {
			names[step.As] = act.scope[step.As]
		}
	}
	return names, err
}

// lead is somebody who fills in one of Waybill's own forms, now and then wrongly.
func (t *traffic) lead() []func() {
	c := person(t.rand, 2+t.rand.IntN(100_000))
	fields := url.Values{}
	fields.Set("name", c.name)
	fields.Set("email", c.email)
	fields.Set("phone", "0"+strings.TrimPrefix(c.phone, "+91"))
	fields.Set("message", []string{
		"Please call me about a bulk order.", "What does it cost for 20 people?", "कृपया मुझे कॉल करें", "Demo, please.",
	}[t.rand.IntN(4)])
	switch t.rand.IntN(12) {
	case 0:
		fields.Del("email")
	case 1:
		fields.Set("phone", "12345")
	}
	form := t.plan.Forms[t.rand.IntN(len(t.plan.Forms))]
	header := http.Header{}
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	hook := Webhook{
		Event: "form." + form, Method: http.MethodPost, URL: t.plan.FormsURL + "/forms/" + url.PathEscape(form),
		Header: header, Body: []byte(fields.Encode()),
	}
	return []func(){func() {
		if t.world.options.Deliver != nil {
			t.world.options.Deliver(context.Background(), hook)
		}
	}}
}
