package show_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
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
func scheme(t *testing.T, ctx context.Context, theme string) { //nolint:revive // the helper's t comes first
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
	o := b.Options(now)
	o.Auto = true
	s, err := show.New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	t.Cleanup(s.Stop)
	return srv
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
	{"item-blocked", "/items/" + showtest.ID("itm", 7000)},
	{"items", "/items?state=not+used"},
	{"items-blocked", "/items?state=blocked"},
	{"rejections", "/rejections"},
	{"problems", "/problems"},
	{"problem", "/problems/" + showtest.ID("prb", 2)},
	{"connections", "/connections"},
	{"connection", "/connections/crm"},
	{"connection-parked", "/connections/team"},
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
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 360} {
			shoot := func(name, address string) {
				scheme(t, ctx, theme)
				if _, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
					Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: width < 500,
				}); err != nil {
					t.Fatal(err)
				}
				if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
					t.Fatalf("%s: %v", name, err)
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
			if only := os.Getenv("WAYBILL_SHOTS_ONLY"); only == "" || only == "first" {
				shoot("first", empty.URL+"/")
			}
		}
	}
}
