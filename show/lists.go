package show

import (
	"net/http"

	"waybill"
)

type itemsPage struct {
	Tabs  []tab
	State string
	Rows  []itemRow
	Next  string
}

type itemRow struct {
	waybill.Item
	Tone   tone
	System string
}

// items lists what became no event: not used, or not understood.
func (s *Server) items(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	f := waybill.ListFilter{State: q.Get("state"), Connection: q.Get("connection"), Before: q.Get("before"), Limit: 50}
	if f.State == "" {
		f.State = string(waybill.ItemNotUsed)
	}
	list, next, err := s.lists.Items(r.Context(), f)
	if err != nil {
		return err
	}
	page := itemsPage{Tabs: eventTabs(r.URL), State: f.State}
	if next != "" {
		page.Next = before(r.URL, next)
	}
	for _, it := range list {
		page.Rows = append(page.Rows, itemRow{it, itemTone(it.State), words{s.names}.System(it.Connection)})
	}
	return s.show(w, r, "items", "Events", page)
}

type rejectionsPage struct {
	Tabs []tab
	Rows []rejectionRow
	Next string
}

type rejectionRow struct {
	waybill.Rejection
	System string
	Known  bool
}

// rejections lists what was turned away at the door, counted and sampled.
func (s *Server) rejections(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	list, next, err := s.reader.Rejections(r.Context(), waybill.ListFilter{Connection: q.Get("connection"), Before: q.Get("before"), Limit: 50})
	if err != nil {
		return err
	}
	page := rejectionsPage{Tabs: eventTabs(r.URL)}
	if next != "" {
		page.Next = before(r.URL, next)
	}
	for _, one := range list {
		card, known := words{s.names}.connection(one.Connection)
		page.Rows = append(page.Rows, rejectionRow{one, card.System, known})
	}
	return s.show(w, r, "rejections", "Events", page)
}

type auditPage struct {
	Rows []auditRow
	Next string
}

type auditRow struct {
	waybill.Audited
	Link string // where the object is, empty when it has no page
	What string // what kind of thing it is, in words; empty when its name says it
}

// audit lists who did what, when and why.
func (s *Server) audit(w http.ResponseWriter, r *http.Request) error {
	list, next, err := s.lists.AuditLog(r.Context(), waybill.ListFilter{Before: r.URL.Query().Get("before"), Limit: 50})
	if err != nil {
		return err
	}
	page := auditPage{Rows: auditRows(s.names, list)}
	if next != "" {
		page.Next = before(r.URL, next)
	}
	return s.show(w, r, "audit", "Audit", page)
}

// kinds are what the ids of things begin with, in words.
var kinds = map[string]string{ // a table that nothing changes
	"evt_": "Event", "itm_": "Item", "run_": "Run", "eff_": "Step", "prb_": "Problem", "arr_": "Arrival", "ask_": "Question", "job_": "Job",
}

func auditRows(names Names, list []waybill.Audited) []auditRow {
	rows := make([]auditRow, 0, len(list))
	for _, a := range list {
		row := auditRow{Audited: a}
		if anyID.MatchString(a.Object) {
			row.Link = "/events/" + a.Object
			if a.Object[:4] == "prb_" {
				row.Link = "/problems/" + a.Object
			}
			row.What = kinds[a.Object[:4]]
		} else if _, known := (words{names}).connection(a.Object); known || a.Action == string(waybill.VerbRetire) {
			row.Link = "/connections/" + a.Object
		}
		rows = append(rows, row)
	}
	return rows
}
