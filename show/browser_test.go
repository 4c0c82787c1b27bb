package show_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"waybill/show"
	"waybill/show/showtest"
)

// now is the time at which the sample business is looked at: a Monday noon in India.
var now = time.Date(2026, 11, 23, 6, 25, 0, 0, time.UTC)

// browser starts Chromium, or skips the test; where a browser is required its absence is a failure.
func browser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	for _, other := range []string{"chromium-browser", "google-chrome", "google-chrome-stable", "chrome"} {
		if err != nil {
			path, err = exec.LookPath(other)
		}
	}
	if err != nil {
		if os.Getenv("WAYBILL_TEST_BROWSER") == "required" {
			t.Fatal("a browser is required here (WAYBILL_TEST_BROWSER=required) and there is none: install chromium")
		}
		t.Skip("there is no Chromium on this machine; with WAYBILL_TEST_BROWSER=required this is a failure")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("hide-scrollbars", true), chromedp.Flag("disable-dev-shm-usage", true))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(stop)
	ctx, stop := chromedp.NewContext(alloc)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("Chromium does not start: %v", err)
	}
	return ctx
}

// scheme makes the browser prefer light or dark pages.
func scheme(t *testing.T, ctx context.Context, theme string) { // the helper's t comes first
	t.Helper()
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}},
	}); err != nil {
		t.Fatal(err)
	}
}

// serve starts a dashboard over a book, signed in by being on this machine.
func serve(t *testing.T, b *showtest.Book) *httptest.Server {
	t.Helper()
	srv, _ := start(t, b, true)
	return srv
}

func start(t *testing.T, b *showtest.Book, auto bool) (*httptest.Server, *show.Access) {
	t.Helper()
	o := b.Options(now)
	o.Auto = auto
	s, err := show.New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	t.Cleanup(s.Stop)
	return srv, s.Access()
}

// everyPage are the pages with something on them.
var everyPage = []struct{ Name, Path string }{
	{"overview", "/"},
	{"events", "/events"},
	{"events-flow", "/events?flow=payment-to-crm&since=24h"},
	{"journey-done", "/events/" + showtest.ID("evt", 9000)},
	{"journey-unknown", "/events/" + showtest.ID("evt", 8990)},
	{"journey-declined", "/events/" + showtest.ID("evt", 8970)},
	{"journey-waiting", "/events/" + showtest.ID("evt", 9010)},
	{"journey-asked", "/events/" + showtest.ID("evt", 8960)},
	{"journey-answered", "/events/" + showtest.ID("evt", 8961)},
	{"journey-held", "/events/" + showtest.ID("evt", 8963)},
	{"journey-undone", "/events/" + showtest.ID("evt", 8965)},
	{"journey-late", "/events/" + showtest.ID("evt", 8972)},
	{"journey-until", "/events/" + showtest.ID("evt", 8968)},
	{"item-blocked", "/items/" + showtest.ID("itm", 7000)},
	{"items", "/items?state=not+used"},
	{"items-blocked", "/items?state=blocked"},
	{"rejections", "/rejections"},
	{"problems", "/problems"},
	{"problem", "/problems/" + showtest.ID("prb", 2)},
	{"connections", "/connections"},
	{"connection", "/connections/crm"},
	{"connection-parked", "/connections/team"},
	{"connection-removed", "/connections/old-shop"},
	{"connection-retired", "/connections/old-crm"},
	{"audit", "/audit"},
	{"missing", "/nothing-here"},
	{"link", "/sign-in/once/never"},
}

// TestPicturesOfEveryPage takes them when WAYBILL_SHOTS names a folder: in both themes, on a desk and on a phone.
func TestPicturesOfEveryPage(t *testing.T) {
	dir := os.Getenv("WAYBILL_SHOTS")
	if dir == "" {
		t.Skip("pictures are taken when WAYBILL_SHOTS names a folder")
	}
	ctx := browser(t)
	rich, empty := serve(t, showtest.Rich(now)), serve(t, showtest.Empty())
	nodes, restored := serve(t, showtest.Nodes(now)), serve(t, showtest.Restored(now))
	outside, access := start(t, showtest.Empty(), false)
	link, err := access.OneTimeLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	widths := []int64{1280, 360}
	if os.Getenv("WAYBILL_SHOTS_MORE") != "" {
		widths = append(widths, 768, 1600)
	}
	for _, theme := range []string{"light", "dark"} {
		for _, width := range widths {
			shoot := func(name, address string) {
				scheme(t, ctx, theme)
				size(t, ctx, width)
				if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if strings.HasSuffix(name, "-open") {
					if _, err := chromedp.Run(ctx, chromedp.Evaluate[int](`[...document.querySelectorAll("details")].map((d) => d.open = true).length`)); err != nil {
						t.Fatal(err)
					}
				}
				png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				file := filepath.Join(dir, fmt.Sprintf("%s-%s-%d.png", name, theme, width))
				if err := os.WriteFile(file, png, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, p := range everyPage {
				if only := os.Getenv("WAYBILL_SHOTS_ONLY"); only == "" || only == p.Name {
					shoot(p.Name, rich.URL+p.Path)
				}
			}
			if only := os.Getenv("WAYBILL_SHOTS_ONLY"); only == "" || only == "journey-open" {
				shoot("journey-open", rich.URL+"/events/"+showtest.ID("evt", 8970))
			}
			if only := os.Getenv("WAYBILL_SHOTS_ONLY"); only == "" || only == "first" {
				shoot("first", empty.URL+"/")
				shoot("sign-in", outside.URL+"/sign-in")
				shoot("welcome", outside.URL+link)
			}
			if only := os.Getenv("WAYBILL_SHOTS_ONLY"); only == "" || only == "nodes" {
				shoot("nodes", nodes.URL+"/")
				shoot("restored", restored.URL+"/")
			}
		}
	}
}

// watchful is run in every page before anything else: it keeps what a hostile text would do.
const watchful = `
window.__seen = [];
for (const f of ["alert", "confirm", "prompt", "print"]) window[f] = () => __seen.push("called " + f);
addEventListener("securitypolicyviolation", (e) => __seen.push("blocked by the policy: " + e.violatedDirective + " " + e.blockedURI + " " + e.sourceFile));
addEventListener("error", (e) => __seen.push("error: " + e.message));
addEventListener("unhandledrejection", (e) => { if (!String(e.reason).includes("abort")) __seen.push("rejected: " + e.reason); });
`

// report is what a page tells about itself.
type report struct {
	Seen     []string
	Injected int
	Foreign  []string
	Wide     string
	Styled   bool
	Script   bool
	Text     string
}

const look = `(() => (document.querySelectorAll("details").forEach((d) => { d.open = true; }), {
  seen: __seen,
  injected: document.querySelectorAll("#pwned, img, iframe, object, embed, base, main script, main style").length,
  foreign: performance.getEntriesByType("resource").map((r) => r.name).filter((n) => !n.startsWith(location.origin)),
  wide: document.documentElement.scrollWidth > innerWidth
    ? [...document.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".tabs, .scroll, pre, .track"))
        .map((e) => e.tagName + "." + e.className).slice(0, 3).join(", ") || "something" : "",
  styled: getComputedStyle(document.querySelector("main")).display === "grid",
  script: typeof htmx === "object",
  text: document.querySelector("main").innerText,
}))()`

func size(t *testing.T, ctx context.Context, width int64) { // the helper's t comes first
	t.Helper()
	if _, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: width < 500,
	}); err != nil {
		t.Fatal(err)
	}
}

// TestInABrowserHostileTextIsOnlyText opens every page with payloads in every field: nothing runs, nothing is added,
// nothing is asked of another host, and no page is wider than a phone.
func TestInABrowserHostileTextIsOnlyText(t *testing.T) {
	ctx := browser(t)
	if _, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watchful}); err != nil {
		t.Fatal(err)
	}
	size(t, ctx, 360)
	books := []*showtest.Book{showtest.Rich(now)}
	for _, payload := range payloads {
		books = append(books, showtest.Hostile(now, payload))
	}
	for i, b := range books {
		srv := serve(t, b)
		for _, p := range everyPage {
			if err := chromedp.Do(ctx, chromedp.Navigate(srv.URL+p.Path)); err != nil {
				t.Fatalf("%s: %v", p.Name, err)
			}
			got, err := chromedp.Run(ctx, chromedp.Evaluate[report](look))
			if err != nil {
				t.Fatalf("%s: %v", p.Name, err)
			}
			if len(got.Seen) > 0 || got.Injected > 0 || len(got.Foreign) > 0 {
				t.Errorf("%s with payload %d: seen %q, %d nodes injected, asked %q", p.Name, i, got.Seen, got.Injected, got.Foreign)
			}
			if !got.Styled || !got.Script {
				t.Errorf("%s with payload %d: the policy stops our own style (%v) or script (%v)", p.Name, i, got.Styled, got.Script)
			}
			if got.Wide != "" {
				t.Errorf("%s with payload %d is wider than a phone of 360: %s", p.Name, i, got.Wide)
			}
			if i == 1 && p.Name == "journey-done" && !strings.Contains(got.Text, "<script>alert(2)</script>") {
				t.Errorf("the payload is not shown as text: the test tests nothing\n%s", got.Text)
			}
		}
	}
}

// contrast finds texts whose colour is too near to what is behind them (WCAG AA: 4.5, or 3 for large ones).
const contrast = `(() => {
  document.querySelectorAll("details").forEach((d) => { d.open = true; });
  const c = document.createElement("canvas"); c.width = c.height = 1;
  const g = c.getContext("2d", { willReadFrequently: true });
  const rgba = (s) => { g.clearRect(0, 0, 1, 1); g.fillStyle = s; g.fillRect(0, 0, 1, 1); const d = g.getImageData(0, 0, 1, 1).data; return [d[0], d[1], d[2], d[3] / 255]; };
  const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const lum = (x) => { const f = x.slice(0, 3).map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * f[0] + .7152 * f[1] + .0722 * f[2]; };
  const behind = (e) => { const list = []; for (; e; e = e.parentElement) list.unshift(rgba(getComputedStyle(e).backgroundColor)); return list.reduce((b, a) => over(a, b), [255, 255, 255, 1]); };
  const bad = new Set();
  for (const e of document.querySelectorAll("body *")) {
    if (!e.checkVisibility() || e.closest("svg, .hush, .skip") || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    const s = getComputedStyle(e), back = behind(e), front = over(rgba(s.color), back);
    const [hi, lo] = [lum(front), lum(back)].sort((a, b) => b - a);
    const ratio = (hi + .05) / (lo + .05), large = parseFloat(s.fontSize) >= 24 || parseFloat(s.fontSize) >= 18.66 && s.fontWeight >= 700;
    if (ratio < (large ? 3 : 4.5)) bad.add(e.tagName + "." + e.className + " " + ratio.toFixed(2) + " “" + e.textContent.trim().slice(0, 30) + "”");
  }
  const unnamed = [...document.querySelectorAll("a, button, input:not([type=hidden]), select, textarea")].filter((e) =>
    !(e.getAttribute("aria-label") || e.textContent.trim() || e.closest("label"))).map((e) => "no name: " + e.outerHTML.slice(0, 80));
  return [...bad, ...unnamed];
})()`

func TestInABrowserEveryTextCanBeReadInBothThemes(t *testing.T) {
	ctx := browser(t)
	srv := serve(t, showtest.Rich(now))
	size(t, ctx, 1280)
	for _, theme := range []string{"light", "dark"} {
		scheme(t, ctx, theme)
		for _, p := range everyPage {
			if err := chromedp.Do(ctx, chromedp.Navigate(srv.URL+p.Path)); err != nil {
				t.Fatalf("%s: %v", p.Name, err)
			}
			bad, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](contrast))
			if err != nil {
				t.Fatalf("%s: %v", p.Name, err)
			}
			for _, one := range bad {
				t.Errorf("%s, %s: %s", p.Name, theme, one)
			}
		}
	}
}

// TestInABrowserThePageIsLiveHoweverItsScriptsArrive holds each script back in turn: the library starts by itself, and a
// stream that it did not know of when it started would never be opened.
func TestInABrowserThePageIsLiveHoweverItsScriptsArrive(t *testing.T) {
	ctx := browser(t)
	o := showtest.Rich(now).Options(now)
	o.Auto = true
	s, err := show.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, late := range []string{"htmx", "hx-sse", "app"} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/static/"+late+".") {
				time.Sleep(700 * time.Millisecond)
			}
			s.ServeHTTP(w, r)
		}))
		t.Cleanup(srv.Close)
		soon, stop := context.WithTimeout(ctx, 30*time.Second)
		if err := chromedp.Do(soon, chromedp.Navigate(srv.URL+"/problems"), chromedp.WaitVisible(chromedp.CSS("#pause[data-state=live]"))); err != nil {
			t.Errorf("with %s late the page does not become live: %v", late, err)
		}
		stop()
	}
	t.Cleanup(s.Stop)
}

func TestInABrowserThePageFollowsWhatHappens(t *testing.T) {
	ctx := browser(t)
	b := showtest.Rich(now)
	srv := serve(t, b)
	size(t, ctx, 1280)
	soon, stop := context.WithTimeout(ctx, 2*time.Minute)
	defer stop()
	if err := chromedp.Do(soon, chromedp.Navigate(srv.URL+"/problems")); err != nil {
		t.Fatalf("the page does not load: %v", err)
	}
	if err := chromedp.Do(soon, chromedp.WaitVisible(chromedp.CSS("#pause[data-state=live]"))); err != nil {
		is, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.readyState + ", " + document.visibilityState + ", " + document.querySelector("#live")?.outerHTML`))
		t.Fatalf("the page does not become live: %v; it is %s", err, is)
	}
	// Somebody opens the keys' help and the list changes: the page is drawn anew around it.
	b.SetTitle(0, "A new title of the first problem")
	b.Change("problem")
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](`document.querySelector("article h2").innerText === "A new title of the first problem"`)); err != nil {
		t.Fatalf("the page does not follow: %v", err)
	}
	// Paused, it does not; going on, it catches up.
	if err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS("#pause")), chromedp.WaitVisible(chromedp.CSS("#pause[data-state=paused]"))); err != nil {
		t.Fatal(err)
	}
	b.SetTitle(0, "A second title")
	b.Change("problem")
	if err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS("#pause"))); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](`document.querySelector("article h2").innerText === "A second title"`)); err != nil {
		t.Fatalf("the page does not catch up: %v", err)
	}
	// What somebody opened stays open, and what they type is not taken from them.
	if err := chromedp.Do(ctx, chromedp.Navigate(srv.URL+"/events/"+showtest.ID("evt", 8990)), chromedp.WaitVisible(chromedp.CSS("#pause[data-state=live]"))); err != nil {
		t.Fatal(err)
	}
	const typing = `(() => { const d = document.querySelector(".acts details"); d.open = true; document.querySelector(".attempt").open = true;
		const reason = d.querySelector("input[name=reason]"); reason.value = "I saw it"; reason.focus(); reason.blur(); document.querySelector(".waybill").dataset.old = "yes"; return true; })()`
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](typing)); err != nil {
		t.Fatal(err)
	}
	b.Change("effect")
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](`!document.querySelector(".waybill").dataset.old`)); err != nil {
		t.Fatalf("the journey does not follow: %v", err)
	}
	if kept, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.querySelector(".acts details").open && document.querySelector(".attempt").open && document.querySelector("input[name=reason]").value === "I saw it"`)); err != nil || !kept {
		t.Errorf("following what happens closed what was open or lost what was typed (%v)", err)
	}
	// The list of events only says that there are new ones.
	if err := chromedp.Do(ctx, chromedp.Navigate(srv.URL+"/events"), chromedp.WaitVisible(chromedp.CSS("#pause[data-state=live]"))); err != nil {
		t.Fatal(err)
	}
	b.AddRow(now)
	b.Change("event")
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](`document.querySelector(".newer")?.innerText.includes("1 new")`)); err != nil {
		t.Fatalf("the list does not say that there is a new event: %v", err)
	}
	n, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.querySelectorAll("tr[data-row]").length`))
	if err != nil || n != 49 {
		t.Errorf("the list has %d rows now, want 49 as before (%v)", n, err)
	}
}

func TestInABrowserKeysGoWhereTheySay(t *testing.T) {
	ctx := browser(t)
	srv := serve(t, showtest.Rich(now))
	size(t, ctx, 1280)
	at := func(mark string) { // the page with this mark is there, and its script runs
		t.Helper()
		if err := chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(mark)), chromedp.WaitVisible(chromedp.CSS("#pause"))); err != nil {
			got, _ := chromedp.Run(ctx, chromedp.Location())
			t.Fatalf("the keys lead to %s, where there is no %s (%v)", got, mark, err)
		}
	}
	press := func(keys ...string) {
		t.Helper()
		for _, k := range keys {
			if err := chromedp.Do(ctx, chromedp.KeyEvent(k)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(srv.URL+"/")); err != nil {
		t.Fatal(err)
	}
	at(".hello")
	press("g", "e")
	at("form.filters")
	press("j", "j", "\r")
	at("header.waybill")
	press("g", "p")
	at("article.problem")
	press("/")
	if got, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.activeElement.id`)); err != nil || got != "find" {
		t.Errorf("/ goes to %q (%v)", got, err)
	}
}
