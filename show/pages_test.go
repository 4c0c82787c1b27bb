package show_test

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"waybill"
	"waybill/show"
	"waybill/show/showtest"
	"waybill/watch"
)

// payloads are texts that want to be more than text, each in the way of another place.
var payloads = []string{
	`"><img src=x onerror=alert(1)><script>alert(2)</script><b id=pwned>`,
	`'-alert(1)-'</textarea></title></style><svg/onload=alert(3)><i id=pwned>`,
	`javascript:alert(1)//{{7*7}}${7*7}<%= 7 %><a hx-get="/x" hx-trigger="load" id=pwned>`,
	"\u202etxt.exe\u2066 \x00\x1b[31m </pre><u id=pwned>",
}

func TestEveryPageIsWholeWithUsualEmptyAndHostileData(t *testing.T) {
	books := map[string]*showtest.Book{"usual": showtest.Rich(now), "empty": showtest.Empty()}
	for i, payload := range payloads {
		books["hostile "+string(rune('1'+i))] = showtest.Hostile(now, payload)
	}
	for name, b := range books {
		p := open(t, b)
		for _, role := range []show.Role{show.Viewer, show.Operator} {
			who := p.signIn(t, "asha", role)
			for _, page := range everyPage {
				res := p.ask(t, http.MethodGet, page.Path, "", who)
				html := text(t, res)
				if res.StatusCode != http.StatusOK && (name == "usual" && page.Name != "missing" || res.StatusCode != http.StatusNotFound) {
					t.Errorf("%s, %s: %d", name, page.Name, res.StatusCode)
				}
				if err := balanced(html); err != "" {
					t.Errorf("%s, %s as %s: %s", name, page.Name, role, err)
				}
				for _, mark := range []string{"<img", "<b id=pwned", "<i id=pwned", "<u id=pwned", "id=pwned>", "onerror=alert(1)>", "\u202e", "\u2066", "ZgotmplZ", "<no value>", "%!"} {
					if strings.Contains(html, mark) {
						t.Errorf("%s, %s: the page holds %q", name, page.Name, mark)
					}
				}
			}
		}
	}
}

var tag = regexp.MustCompile(`(?s)<!--.*?-->|<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:[^<>"']|"[^"]*"|'[^']*')*)>`)

// balanced reports the first tag that is not closed in its place.
func balanced(html string) string {
	void := map[string]bool{"meta": true, "link": true, "input": true, "br": true, "img": true, "hr": true}
	var stack []string
	ids := map[string]bool{}
	for _, m := range tag.FindAllStringSubmatch(html, -1) {
		name := strings.ToLower(m[2])
		if id := regexp.MustCompile(`\sid="([^"]*)"`).FindStringSubmatch(m[3]); id != nil {
			if ids[id[1]] {
				return "the id " + id[1] + " is there twice"
			}
			ids[id[1]] = true
		}
		switch {
		case name == "" || void[name] || strings.HasSuffix(m[3], "/"):
		case m[1] == "":
			stack = append(stack, name)
		case len(stack) == 0 || stack[len(stack)-1] != name:
			return "</" + name + "> closes " + strings.Join(stack, " > ")
		default:
			stack = stack[:len(stack)-1]
		}
	}
	if len(stack) > 0 {
		return strings.Join(stack, " > ") + " is not closed"
	}
	return ""
}

func TestEveryAnswerCarriesTheStrictPolicy(t *testing.T) {
	p := open(t, showtest.Rich(now))
	asha := p.signIn(t, "asha", show.Operator)
	want := "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	for _, path := range []string{"/", "/events", "/nothing-here", "/healthz", "/api/v1/overview", "/static/none.js", "/sign-in"} {
		h := p.ask(t, http.MethodGet, path, "", asha).Header
		if h.Get("Content-Security-Policy") != want || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" {
			t.Errorf("%s answers with %v", path, h)
		}
	}
}

func TestNoTemplateHoldsScriptStyleOrAnotherHost(t *testing.T) {
	files, err := filepath.Glob("pages/*.html")
	if err != nil || len(files) < 15 {
		t.Fatalf("templates: %v, %v", files, err)
	}
	banned := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script(?:[^>]*>)[^<]|javascript:|https?://|srcdoc|<iframe|hx-on|hx-vals`)
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if m := banned.FindString(string(raw)); m != "" {
			t.Errorf("%s holds %q", f, m)
		}
	}
	for _, f := range []string{"static/app.css", "static/app.js"} {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if m := regexp.MustCompile(`(?i)https?://|@import|url\(|eval\(|innerHTML|new Function`).FindString(string(raw)); m != "" {
			t.Errorf("%s holds %q", f, m)
		}
		if n := strings.Count(string(raw), "\n"); strings.HasSuffix(f, ".js") && n > 600 {
			t.Errorf("%s has %d lines; the budget is 600", f, n)
		}
	}
}

func TestWhatIsNotOursIsUnchanged(t *testing.T) {
	sums, err := os.ReadFile("static/CHECKSUMS")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(sums)) {
		want, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok {
			continue
		}
		raw, err := os.ReadFile(filepath.Join("static", name))
		if err != nil {
			t.Fatal(err)
		}
		got := sha256.Sum256(raw)
		if hex.EncodeToString(got[:]) != want {
			t.Errorf("%s is not the file that was published", name)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d files are checked, want 3", n)
	}
}

var asset = regexp.MustCompile(`(?:src|href)="(/static/[^"]+)"`)

func TestTheFirstPageWeighsLittle(t *testing.T) {
	p := open(t, showtest.Rich(now))
	asha := p.signIn(t, "asha", show.Operator)
	small := func(r *http.Request) { asha(r); r.Header.Set("Accept-Encoding", "gzip") }
	for _, path := range []string{"/", "/events", "/events/" + showtest.ID("evt", 9000)} {
		res := p.ask(t, http.MethodGet, path, "", small)
		raw := text(t, res)
		total := len(raw)
		z, err := gzip.NewReader(strings.NewReader(raw))
		if err != nil {
			t.Fatalf("%s is not compressed: %v", path, err)
		}
		html, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		links := asset.FindAllStringSubmatch(string(html), -1)
		if len(links) != 5 {
			t.Errorf("%s loads %d files", path, len(links))
		}
		for _, link := range links {
			got := p.ask(t, http.MethodGet, link[1], "", small)
			if got.StatusCode != http.StatusOK || !strings.Contains(got.Header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s answers %d, %s", link[1], got.StatusCode, got.Header.Get("Cache-Control"))
			}
			total += len(text(t, got))
		}
		if total > 60<<10 {
			t.Errorf("%s weighs %d bytes compressed with all it needs; the budget is 60 kB of the 120 allowed", path, total)
		}
	}
}

func TestTheFragmentIsThePagesOwnBlock(t *testing.T) {
	p := open(t, showtest.Rich(now))
	asha := p.signIn(t, "asha", show.Operator)
	whole := text(t, p.ask(t, http.MethodGet, "/problems", "", asha))
	part := text(t, p.ask(t, http.MethodGet, "/problems", "", asha, func(r *http.Request) { r.Header.Set("HX-Request", "true") }))
	if strings.Contains(part, "<html") || !strings.Contains(whole, strings.TrimSpace(part)) {
		t.Errorf("the fragment is not part of the page:\n%s", part)
	}
}

func TestNumbersOfTheDataAreShownToTheLastDigit(t *testing.T) {
	p := open(t, showtest.Rich(now))
	html := text(t, p.ask(t, http.MethodGet, "/events/"+showtest.ID("evt", 9000), "", p.signIn(t, "asha", show.Viewer)))
	for _, want := range []string{"9007199254740993", "₹1,29,900.00"} {
		if !strings.Contains(html, want) {
			t.Errorf("the journey does not show %s", want)
		}
	}
}

func TestTheJourneySaysHowSureEachEffectIsAndWhatIsSafe(t *testing.T) {
	p := open(t, showtest.Rich(now))
	asha := p.signIn(t, "asha", show.Operator)
	rows := []struct {
		n    int
		want []string
	}{
		{9000, []string{"Confirmed by HubSpot", "It happened: answer 200", "9182736455", "webhook: delivered", "Told 2 more times", "order.balance.minor &gt; 0", "Nothing came", "X-Razorpay-Signature, secret 1 of 1"}},
		{8990, []string{"Sent, answer lost", "It did not happen", "May repeat: the customer could get the message twice.", "connection reset by peer", "curl -X", "$AUTHORIZATION", "Is a retry safe?"}},
		{8970, []string{"Declined by HubSpot", "INVALID_EMAIL", "Edit and retry", "ravi@example", "Stop this run"}},
		{9010, []string{"Not done yet", "Next try", "in 7 s", "asked us to wait 10 s", "uses up no try"}},
	}
	for _, row := range rows {
		html := text(t, p.ask(t, http.MethodGet, "/events/"+showtest.ID("evt", row.n), "", asha))
		for _, want := range row.want {
			if !strings.Contains(html, want) && want != "Nothing came" {
				t.Errorf("the journey of %d does not say %q", row.n, want)
			}
		}
	}
	if html := text(t, p.ask(t, http.MethodGet, "/events/"+showtest.ID("evt", 8990), "", p.signIn(t, "ravi", show.Viewer))); strings.Contains(html, `action="/acts"`) {
		t.Error("a viewer sees buttons")
	}
}

// TestAButtonTellsWhatItWasShownFor: so that a press on a page that stood open is not taken for what came in its place. Buttons that
// answer another question than the page shows are left out.
func TestAButtonTellsWhatItWasShownFor(t *testing.T) {
	p := open(t, showtest.Rich(now))
	asha := p.signIn(t, "asha", show.Operator)
	run, page, ask := showtest.ID("run", 8960), "/events/"+showtest.ID("evt", 8960), showtest.ID("ask", 8960)
	const field = `<input type="hidden" name="about" value="`
	if html := text(t, p.ask(t, http.MethodGet, page, "", asha)); strings.Count(html, field+ask+`"`) != 3 {
		t.Errorf("the buttons do not tell that they are about %s", ask)
	}
	p.ask(t, http.MethodPost, "/acts", "object="+run+"&verb=approve&about="+ask+"&back="+page, asha)
	res := p.ask(t, http.MethodPost, "/api/v1/acts", `{"verb":"approve","object":"`+run+`","about":"`+ask+`"}`, p.token(t, show.Operator),
		func(r *http.Request) { r.Header.Set("Content-Type", "application/json") })
	if res.StatusCode != http.StatusOK || len(p.book.Acts) != 2 || p.book.Acts[0].About != ask || p.book.Acts[1].About != ask {
		t.Errorf("%d, the desk was told %+v", res.StatusCode, p.book.Acts)
	}
	for i := range p.book.Buttons[run] {
		p.book.Buttons[run][i].About = "ask_another"
	}
	if html := text(t, p.ask(t, http.MethodGet, page, "", asha)); strings.Contains(html, `value="approve"`) || !strings.Contains(html, `value="stop"`) {
		t.Error("the page offers to answer a question that it does not show")
	}
}

func TestAQuestionShowsWhatIsTooLateToBeSent(t *testing.T) {
	for until, want := range map[time.Time]string{now.Add(time.Hour): "Sent when it is approved", now.Add(-time.Hour): "Left out when it is approved: too late"} {
		book := showtest.Rich(now)
		for i := range book.Question {
			book.Question[i].For[0].GoodUntil = until
		}
		p := open(t, book)
		html := text(t, p.ask(t, http.MethodGet, "/events/"+showtest.ID("evt", 8960), "", p.signIn(t, "asha", show.Operator)))
		if !strings.Contains(html, want) {
			t.Errorf("good until %s the page does not say %q", until, want)
		}
	}
}

func TestAButtonDoesItAndSaysSo(t *testing.T) {
	p := open(t, showtest.Rich(now))
	asha := p.signIn(t, "asha", show.Operator)
	back := "/events/" + showtest.ID("evt", 8990)
	res := p.ask(t, http.MethodPost, "/acts", "object="+showtest.ID("eff", 8992)+"&verb=it+happened&reason=I+saw+it&back="+back, asha)
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != back {
		t.Fatalf("the button answers %d and goes to %s", res.StatusCode, res.Header.Get("Location"))
	}
	if len(p.book.Acts) != 1 || p.book.Acts[0].Who != "asha" || p.book.Acts[0].Verb != waybill.VerbHappened || p.book.Acts[0].Reason != "I saw it" {
		t.Errorf("the desk was told %+v", p.book.Acts)
	}
	said := func(r *http.Request) {
		asha(r)
		for _, c := range res.Cookies() {
			r.AddCookie(c)
		}
	}
	page := p.ask(t, http.MethodGet, back, "", said)
	if html := text(t, page); !strings.Contains(html, "It is on the audit list with your name.") {
		t.Error("the next page does not say what happened")
	}
	if c := page.Cookies(); len(c) != 1 || c[0].MaxAge >= 0 {
		t.Errorf("the sentence would be said again: %v", c)
	}
}

func TestAButtonThatCannotBeDoneSaysWhyAndChangesNothing(t *testing.T) {
	p := open(t, showtest.Rich(now))
	asha := p.signIn(t, "asha", show.Operator)
	for form, want := range map[string]string{
		"object=team&verb=stop&back=/connections/team":                  "has changed meanwhile",
		"object=&verb=stop&back=/":                                      "needs a verb and an object",
		"object=team&verb=resume&inputs=%7Bbad&back=//evil.example/pwn": "no valid JSON",
	} {
		res := p.ask(t, http.MethodPost, "/acts", form, asha)
		if strings.Contains(res.Header.Get("Location"), "evil") {
			t.Errorf("%s goes to %s", form, res.Header.Get("Location"))
		}
		html := text(t, p.ask(t, http.MethodGet, "/", "", asha, func(r *http.Request) { r.AddCookie(res.Cookies()[0]) }))
		if !strings.Contains(html, want) || !strings.Contains(html, `class="said bad"`) {
			t.Errorf("%s: the next page does not say %q", form, want)
		}
	}
	if len(p.book.Acts) != 0 {
		t.Errorf("the desk was told %+v", p.book.Acts)
	}
}

func TestSearchingForAnIDGoesThere(t *testing.T) {
	p := open(t, showtest.Rich(now))
	asha := p.signIn(t, "asha", show.Viewer)
	for id, want := range map[string]string{showtest.ID("eff", 1): "/events/", showtest.ID("prb", 1): "/problems/"} {
		if got := p.ask(t, http.MethodGet, "/events?q="+id, "", asha).Header.Get("Location"); got != want+id {
			t.Errorf("searching for %s goes to %q", id, got)
		}
	}
}

func TestTheListSaysHowManyAreNewWithoutMovingItsRows(t *testing.T) {
	p := open(t, showtest.Rich(now))
	asha := p.signIn(t, "asha", show.Viewer)
	if got := text(t, p.ask(t, http.MethodGet, "/events/new?top="+showtest.ID("evt", 8970), "", asha, func(r *http.Request) { r.Header.Set("HX-Request", "true") })); !strings.Contains(got, "4 new") {
		t.Errorf("the bar is %s", got)
	}
	list := text(t, p.ask(t, http.MethodGet, "/events", "", asha))
	if strings.Contains(list, `<main id="main" data-live`) {
		t.Error("the list of events would be drawn again under the cursor")
	}
}

func TestFiltersStayInTheAddress(t *testing.T) {
	p := open(t, showtest.Rich(now))
	html := text(t, p.ask(t, http.MethodGet, "/events?flow=payment-to-crm&q=SO-1001&since=24h", "", p.signIn(t, "asha", show.Viewer)))
	for _, want := range []string{`href="/events?q=SO-1001&amp;since=24h"`, "Customer email", "asha@example.com", `<option value="24h" selected>`} {
		if !strings.Contains(html, want) {
			t.Errorf("the list does not hold %q", want)
		}
	}
}

func TestTheFirstDayShowsTheFirstSteps(t *testing.T) {
	p := open(t, showtest.Empty())
	html := text(t, p.ask(t, http.MethodGet, "/", "", p.signIn(t, "asha", show.Admin)))
	for _, want := range []string{"The first steps", "waybill trigger razorpay", "All 7 flows are working. Nothing has come in since yesterday."} {
		if !strings.Contains(html, want) {
			t.Errorf("the first page of the first day does not say %q", want)
		}
	}
}

func TestTheThemeIsKeptWithoutScript(t *testing.T) {
	p := open(t, showtest.Empty())
	asha := p.signIn(t, "asha", show.Viewer)
	res := p.ask(t, http.MethodPost, "/theme", "theme=dark&back=/events", asha)
	html := text(t, p.ask(t, http.MethodGet, "/events", "", asha, func(r *http.Request) { r.AddCookie(res.Cookies()[0]) }))
	if !strings.Contains(html, `data-theme="dark"`) {
		t.Error("the page is not dark")
	}
}

func TestARunWithAThousandPartsShowsWhatNeedsLooking(t *testing.T) {
	b := showtest.Rich(now)
	j := b.Journeys[showtest.ID("evt", 8990)]
	unknown := j.Runs[0].Effects[1]
	var effects []waybill.EffectView
	for i := range 1000 {
		e := j.Runs[0].Effects[0]
		e.Effect.ID = waybill.EffectID(showtest.ID("eff", 20000+i))
		effects = append(effects, e)
	}
	j.Runs[0].Effects = append(effects, unknown)
	p := open(t, b)
	html := text(t, p.ask(t, http.MethodGet, "/events/"+showtest.ID("evt", 8990), "", p.signIn(t, "asha", show.Operator)))
	if !strings.Contains(html, "901 more parts") || !strings.Contains(html, `id="`+showtest.ID("eff", 8992)+`"`) {
		t.Error("the page does not hold the part that needs looking, or does not say what it leaves out")
	}
	if len(html) > 1<<20 {
		t.Errorf("the page has %d bytes", len(html))
	}
}

func TestAQuestionSaysWhatIsAskedOfWhomUntilWhenAndWhatIsSent(t *testing.T) {
	p := open(t, showtest.Rich(now))
	at := "/events/" + showtest.ID("evt", 8960)
	asha, ravi := p.signIn(t, "asha", show.Operator), p.signIn(t, "ravi", show.Viewer)
	says := []string{
		"Refund order SO-1024?", "<dt>Amount</dt><dd>₹4,500.00</dd>", "EE123456789IN", "<dt>Who may answer</dt><dd>Finance</dd>", "Tue 24 Nov 11:55",
		"It counts as rejected", "Cannot be undone: Money that was sent back stays with the customer", "Sent when it is approved", "Waits for an answer",
	}
	buttons := []string{`value="approve"`, `value="change and approve"`, `value="reject"`, `value="stop"`, `href="#` + showtest.ID("ask", 8960) + `">`}
	theirs, hers := text(t, p.ask(t, http.MethodGet, at, "", ravi)), text(t, p.ask(t, http.MethodGet, at, "", asha))
	for _, want := range says {
		if !strings.Contains(theirs, want) || !strings.Contains(hers, want) {
			t.Errorf("the question does not say %q", want)
		}
	}
	for _, button := range buttons[:4] {
		if strings.Contains(theirs, button) {
			t.Errorf("a viewer has the button %s", button)
		}
		if strings.Count(hers, button) != 1 {
			t.Errorf("an operator has the button %s %d times, want once", button, strings.Count(hers, button))
		}
	}
	ask, run := strings.Index(hers, `id="`+showtest.ID("ask", 8960)), strings.Index(hers, `id="`+showtest.ID("run", 8960))
	if yes := strings.Index(hers, `value="approve"`); run < 0 || yes < ask || ask < run {
		t.Errorf("the answer's buttons stand at %d, the run at %d and the question at %d: they belong to the question", yes, run, ask)
	}
	if !strings.Contains(theirs, "An operator can press the buttons") || !strings.Contains(hers, "Go to the buttons") {
		t.Error("the page does not say who may press, or where")
	}
}

func TestAnAnsweredQuestionSaysWhoAnsweredAndWithWhat(t *testing.T) {
	p := open(t, showtest.Rich(now))
	html := text(t, p.ask(t, http.MethodGet, "/events/"+showtest.ID("evt", 8961), "", p.signIn(t, "asha", show.Operator)))
	for _, want := range []string{"Not answered: others are asked", "Nobody answered within 27 hours", "By asha: Shipping is not refunded", "Approved with these values instead", "₹9,400.00", "Whoever has the role admin"} {
		if !strings.Contains(html, want) {
			t.Errorf("the journey does not say %q", want)
		}
	}
	if strings.Contains(html, `value="approve"`) || strings.Contains(html, "If nobody answers") {
		t.Error("an answered question still waits for an answer")
	}
}

func TestOpenQuestionsStandOnTheOverviewAndUnderProblems(t *testing.T) {
	p := open(t, showtest.Rich(now))
	asha := p.signIn(t, "asha", show.Viewer)
	link := `<a href="/events/` + showtest.ID("evt", 8960) + `#` + showtest.ID("ask", 8960) + `">Refund order SO-1024?</a>`
	for path, want := range map[string]bool{"/": true, "/problems": true, "/problems?state=fixed": false} {
		html := text(t, p.ask(t, http.MethodGet, path, "", asha))
		if strings.Contains(html, link) != want || strings.Contains(html, "SO-1019?") {
			t.Errorf("%s lists the open question: want %v, and none that is answered", path, want)
		}
	}
	p = open(t, showtest.Empty())
	if html := text(t, p.ask(t, http.MethodGet, "/", "", p.signIn(t, "asha", show.Viewer))); strings.Contains(html, "Questions for") {
		t.Error("where nothing is asked, questions have a place")
	}
}

func TestWhoLooksSeesTheQuestionsForThemFirst(t *testing.T) {
	b := showtest.Rich(now)
	own := b.Question[0]
	own.ID, own.Question, own.Who, own.DueAt = waybill.AskID(showtest.ID("ask", 7001)), "Give 40 % off?", []string{"ravi"}, own.DueAt.Add(-time.Hour)
	role := own
	role.ID, role.Question, role.Who, role.Role = waybill.AskID(showtest.ID("ask", 7002)), "Close the books?", nil, "admin"
	b.Question = append(b.Question, own, role)
	p := open(t, b)
	for name, c := range map[string]struct {
		role show.Role
		mine []string
	}{
		"asha":  {show.Operator, []string{"Refund order SO-1024?"}},
		"ravi":  {show.Operator, []string{"Give 40 % off?"}},
		"meera": {show.Admin, []string{"Close the books?"}},
		"noor":  {show.Viewer, nil},
	} {
		who := p.signIn(t, name, c.role)
		for _, path := range []string{"/", "/problems", "/problems?asks=mine"} {
			html := text(t, p.ask(t, http.MethodGet, path, "", who))
			mine, others := strings.Index(html, "Questions for you"), strings.Index(html, "Questions for others")
			if (mine >= 0) != (len(c.mine) > 0) || (others >= 0) == strings.Contains(path, "mine") || others >= 0 && others < mine {
				t.Fatalf("%s sees on %s those for them at %d and those for others at %d", name, path, mine, others)
			}
			for _, q := range []string{"Refund order SO-1024?", "Give 40 % off?", "Close the books?"} {
				at := strings.Index(html, ">"+q+"<")
				if isMine := at >= 0 && (others < 0 || at < others); isMine != slices.Contains(c.mine, q) || others >= 0 && at < 0 {
					t.Errorf("%s on %s: %q stands at %d, those for others begin at %d", name, path, q, at, others)
				}
			}
		}
		body := text(t, p.ask(t, http.MethodGet, "/api/v1/asks?state=open&for=me", "", who))
		if n := strings.Count(body, `"question":`); n != len(c.mine) || n > 0 && !strings.Contains(body, c.mine[0]) {
			t.Errorf("the API has for %s: %s", name, body)
		}
	}
	admin := p.token(t, show.Admin)
	if body := text(t, p.ask(t, http.MethodGet, "/api/v1/asks?for=ravi", "", admin)); !strings.Contains(body, "40 %") || strings.Contains(body, "SO-1024?") {
		t.Errorf("for somebody else: %s", body)
	}
	if res := p.ask(t, http.MethodGet, "/api/v1/asks?for=nobody", "", admin); res.StatusCode != http.StatusBadRequest {
		t.Errorf("for nobody: %d", res.StatusCode)
	}
}

func TestAStateThatNothingIsEverInIsRefused(t *testing.T) {
	p := open(t, showtest.Rich(now))
	viewer := p.token(t, show.Viewer)
	for _, list := range []string{"events", "items", "runs", "effects", "asks", "problems", "jobs"} {
		res := p.ask(t, http.MethodGet, "/api/v1/"+list+"?state=finished", "", viewer)
		if body := text(t, res); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, show.States(list)[0]) {
			t.Errorf("%s answers %d: %s", list, res.StatusCode, body)
		}
		for _, state := range show.States(list) {
			if res := p.ask(t, http.MethodGet, "/api/v1/"+list+"?state="+url.QueryEscape(state), "", viewer); res.StatusCode != http.StatusOK {
				t.Errorf("%s in the state %q answers %d", list, state, res.StatusCode)
			}
		}
	}
}

func TestHostileTextInWhatAQuestionShowsIsOnlyText(t *testing.T) {
	for _, payload := range payloads {
		b := showtest.Rich(now)
		q := &b.Journeys[showtest.ID("evt", 8960)].Runs[0].Asks[0]
		raw, err := json.Marshal(map[string]any{payload: payload, "of": map[string]string{"minor": payload}})
		if err != nil {
			t.Fatal(err)
		}
		flat, err := json.Marshal(map[string]string{payload: payload})
		if err != nil {
			t.Fatal(err)
		}
		q.Show, q.For[0].Inputs, q.Question, q.For[0].Undo, q.NoAnswer = flat, raw, payload, payload, payload
		b.Question[0] = *q
		p := open(t, b)
		for _, path := range []string{"/", "/problems", "/events/" + showtest.ID("evt", 8960)} {
			html := text(t, p.ask(t, http.MethodGet, path, "", p.signIn(t, "asha", show.Operator)))
			if err := balanced(html); err != "" {
				t.Errorf("%s: %s", path, err)
			}
			if strings.Contains(html, "<img") || strings.Contains(html, "id=pwned>") || strings.Contains(html, "\u202e") {
				t.Errorf("%s: %q is more than text", path, payload)
			}
		}
	}
}

func TestTheJourneyTellsHeldUndoneAndWaitingApart(t *testing.T) {
	p := open(t, showtest.Rich(now))
	asha := p.signIn(t, "asha", show.Operator)
	rows := []struct {
		n    int
		want []string
	}{
		{8963, []string{"Held: the first 10 of this step are released by hand, 3 were so far", `value="release"`, "It is sent as it is shown", "The request as it would be sent", `<details class="more-of" open>`}},
		{8965, []string{
			"It happened, and was taken back.", `<dt>Undone by</dt><dd><a href="#` + showtest.ID("eff", 8966) + `">Undo: Mark the deal as won</a>`,
			`<dt>Undoes</dt><dd><a href="#` + showtest.ID("eff", 8965) + `">Mark the deal as won</a>`, "To be undone by", "owner is meera and not asha", "Put it back all the same",
		}},
		{8968, []string{"Waits until Tue 24 Nov 09:00", "Goes on by itself, at the latest <b><time", ">Tue 24 Nov 09:00</time></b>", "Waits for order.paid_in_full about SO-1030"}},
	}
	for _, row := range rows {
		html := text(t, p.ask(t, http.MethodGet, "/events/"+showtest.ID("evt", row.n), "", asha))
		for _, want := range row.want {
			if !strings.Contains(html, want) {
				t.Errorf("the journey of %d does not say %q", row.n, want)
			}
		}
		if strings.Contains(html, "taken back..") {
			t.Errorf("the journey of %d ends a sentence twice", row.n)
		}
	}
}

func TestALearntRateIsSaidInWords(t *testing.T) {
	for rate, want := range map[float64]string{4.2: "About 4.2 calls a second", 5: "About 5 calls a second", 31.7: "About 32 calls a second", 0.1: "About one call every 10 s", 0: ""} {
		b := showtest.Rich(now)
		for i := range b.Figures {
			b.Figures[i].State.Learnt = rate
		}
		p := open(t, b)
		html := text(t, p.ask(t, http.MethodGet, "/connections/crm", "", p.signIn(t, "asha", show.Viewer)))
		if strings.Contains(html, "Learnt limit") != (want != "") || !strings.Contains(html, want) || !strings.Contains(html, "at most 8 at once, 10 a second") {
			t.Errorf("a learnt rate of %v is not said as %q beside the declared limits", rate, want)
		}
	}
}

func TestAProblemNamesEachFlowItHoldsAndIsFoundByIt(t *testing.T) {
	p := open(t, showtest.Rich(now))
	asha, program := p.signIn(t, "asha", show.Viewer), p.token(t, show.Viewer)
	id := showtest.ID("prb", 1)
	both := []string{"A customer has paid in full; the deal is won and the customer is thanked", "A new lead is checked, assigned and greeted"}
	for _, path := range []string{"/problems", "/problems/" + id} {
		html := text(t, p.ask(t, http.MethodGet, path, "", asha))
		for _, title := range both {
			if !strings.Contains(html, title) {
				t.Errorf("%s does not name the flow %q", path, title)
			}
		}
	}
	for flow, want := range map[string]bool{"payment-to-crm": true, "new-lead": true, "part-paid": false} {
		if html := text(t, p.ask(t, http.MethodGet, "/problems?flow="+flow, "", asha)); strings.Contains(html, id) != want {
			t.Errorf("the page finds the problem by %s: want %v", flow, want)
		}
		body := text(t, p.ask(t, http.MethodGet, "/api/v1/problems?flow="+flow, "", program))
		if strings.Contains(body, `"flow":"payment-to-crm","flows":["payment-to-crm","new-lead"]`) != want {
			t.Errorf("the API finds the problem by %s: want %v: %s", flow, want, body)
		}
	}
	p.book.Trouble[0].Problem.Flows = []string{"payment-to-crm", "new-lead", "part-paid", "refund-note", "dispute-alarm"}
	if html := text(t, p.ask(t, http.MethodGet, "/problems", "", asha)); !strings.Contains(html, "and 2 other flows") {
		t.Error("a list names every flow of a problem that many flows have")
	}
}

func TestTheNumberBesideProblemsIsOfThoseThatNeedAPerson(t *testing.T) {
	b := showtest.Rich(now)
	p := open(t, b)
	asha := p.signIn(t, "asha", show.Viewer)
	badge := func() string {
		_, rest, _ := strings.Cut(text(t, p.ask(t, http.MethodGet, "/problems", "", asha)), `<b class="badge">`)
		number, _, _ := strings.Cut(rest, "<")
		return number
	}
	need := 0
	for _, v := range b.Trouble {
		if watch.NeedsPerson(v.Problem) {
			need++
		}
	}
	if got := badge(); need == 0 || need == len(b.Trouble) || got != strconv.Itoa(need) {
		t.Errorf("of %d problems %d need a person, and the bar says %q", len(b.Trouble), need, got)
	}
	for i := range b.Trouble {
		b.Trouble[i].Problem.State, b.Trouble[i].Problem.Cause = waybill.ProblemRegressed, waybill.TheirSideDown
	}
	if got := badge(); got != "" {
		t.Errorf("no problem needs a person, and the bar says %q", got)
	}
}

func TestTheHeadlineClaimsNoFlowThatNeedsAPerson(t *testing.T) {
	b := showtest.Rich(now)
	b.Over.Problems = slices.DeleteFunc(b.Over.Problems, func(p waybill.Problem) bool { return p.Cause.Outage() })
	b.Over.Asks, b.Over.Flows = 1, append(b.Over.Flows, waybill.FlowFigures{Flow: "refund-request", Open: 1, Asks: 1})
	p := open(t, b)
	const want = "4 of 7 flows go on by themselves. 6 things need a person."
	html := text(t, p.ask(t, http.MethodGet, "/", "", p.signIn(t, "asha", show.Viewer)))
	if !strings.Contains(html, "<h1>"+want+"</h1>") {
		t.Errorf("the page does not say %q: %s", want, html[strings.Index(html, "<h1>"):][:120])
	}
	if body := text(t, p.ask(t, http.MethodGet, "/api/v1/overview", "", p.token(t, show.Viewer))); !strings.Contains(body, want) {
		t.Errorf("the API says %.200s", body)
	}
}
