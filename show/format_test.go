package show

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill"
)

func TestMoneyIsShownExactlyAndInTheCustomOfItsCountry(t *testing.T) {
	rows := []struct{ minor, currency, want string }{
		{"12990000", "INR", "₹1,29,900.00"},
		{"123456789012", "INR", "₹1,23,45,67,890.12"},
		{"99900", "INR", "₹999.00"},
		{"5", "INR", "₹0.05"},
		{"-45000", "INR", "−₹450.00"},
		{"129900", "USD", "$1,299.00"},
		{"123456789", "EUR", "€1,234,567.89"},
		{"1500", "JPY", "¥1,500"},
		{"1234567", "KWD", "KWD 1,234.567"},
		{"900719925474099312345", "USD", "$9,007,199,254,740,993,123.45"},
		{"000", "USD", "$0.00"},
		{"12.5", "USD", "12.5 USD"},
		{"", "USD", "USD"},
		{"1299", "", "12.99"},
	}
	for _, row := range rows {
		if got := money(row.minor, row.currency); got != row.want {
			t.Errorf("money(%q, %q) = %q, want %q", row.minor, row.currency, got, row.want)
		}
	}
}

func TestColumnsAreReadByTheirPathFromTheEvent(t *testing.T) {
	data := []byte(`{"id":"SO-1001","big":9007199254740993,"paid_total":{"minor":12990000,"currency":"INR"},"customer":{"email":"asha@example.com"},"gift":true,"lines":[1,2]}`)
	got := columnsOf(data, []string{"order.id", "order.customer.email", "order.paid_total", "order.big", "order.gift", "order.lines", "order.absent", "order.customer.absent"})
	want := []column{
		{"Id", "SO-1001"},
		{"Customer email", "asha@example.com"},
		{"Paid total", "₹1,29,900.00"},
		{"Big", "9007199254740993"},
		{"Gift", "yes"},
		{"Lines", "[1,2]"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns (-want +got)\n%s", diff)
	}
}

func TestABodyIsShownWithEveryDigitAsItCame(t *testing.T) {
	raw := []byte(`{"n":9007199254740993123,"f":1.10e+5,"s":"a\"}<b>","t":[true,null,-0.0],"e":{}}`)
	joined, classes := "", map[string]string{}
	for _, tok := range showBody(raw).Tokens {
		joined += tok.Text
		classes[tok.Text] = tok.Class
	}
	if strings.ReplaceAll(strings.ReplaceAll(joined, " ", ""), "\n", "") != string(raw) {
		t.Errorf("the body became %s", joined)
	}
	want := map[string]string{"9007199254740993123": "num", "1.10e+5": "num", `"n"`: "key", `"a\"}<b>"`: "str", "true": "lit", "-0.0": "num"}
	for text, class := range want {
		if classes[text] != class {
			t.Errorf("%s has the class %q, want %q", text, classes[text], class)
		}
	}
}

func TestABodyThatIsNoTextIsShownAsNumbersAndALongOneIsCut(t *testing.T) {
	if b := showBody([]byte{0xff, 0xfe, 0x00}); !b.Binary || b.Tokens[0].Text != "ff fe 00" {
		t.Errorf("binary is shown as %+v", b)
	}
	if b := showBody([]byte(strings.Repeat("é", maxShown))); !b.Cut || b.Binary || b.Bytes != 2*maxShown {
		t.Errorf("a long text is shown with cut=%v binary=%v bytes=%d", b.Cut, b.Binary, b.Bytes)
	}
	if b := showBody(nil); b.Bytes != 0 || b.Tokens != nil {
		t.Errorf("nothing is shown as %+v", b)
	}
}

func FuzzTokensLoseNothing(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.5e3,"x\\\"",true]}`))
	f.Add([]byte(`"\\`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		joined := ""
		for _, tok := range tokens(raw) {
			joined += tok.Text
		}
		if joined != string(raw) {
			t.Errorf("%q became %q", raw, joined)
		}
		showBody(raw)
	})
}

func TestCurlQuotesEverythingButItsSecrets(t *testing.T) {
	r := waybill.Request{
		Method: "POST", URL: "https://api.example.com/x?key=[sha256:ab12cd34]&q=$(rm -rf /)",
		Headers: []waybill.Header{{Name: "Authorization", Value: "Bearer [sha256:5be1a77c]"}, {Name: "X-Sign", Value: "${secret:hmac.key}"}},
		Body:    []byte("it's `id` $HOME \x1b[2J"),
	}
	want := "curl -X 'POST' 'https://api.example.com/x?key='\"$SECRET\"'&q=$(rm -rf /)' \\\n" +
		"  -H 'Authorization: Bearer '\"$AUTHORIZATION\" \\\n" +
		"  -H 'X-Sign: '\"$HMAC_KEY\" \\\n" +
		"  --data-binary 'it'\\''s `id` $HOME [2J'"
	if diff := cmp.Diff(want, curl(r)); diff != "" {
		t.Errorf("curl (-want +got)\n%s", diff)
	}
}

func FuzzAQuotedTextIsOneWordForAShell(f *testing.F) {
	for _, s := range []string{"", "'", "'; id; '", "a\nb", "${secret:x}", "$(id)", "`id`", "\\", "\"", "!!", "${secret:1$(id)}"} {
		f.Add(s)
	}
	sh, err := exec.LookPath("sh")
	if err != nil {
		f.Skip("there is no shell here")
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = s[:min(len(s), 1000)] // a shell's words have a bound of their own
		word, want := quote(s), ""
		for _, text := range secretSlot.Split(s, -1) {
			want += strings.Map(func(r rune) rune {
				if r == '\n' || r == '\t' || r >= ' ' && r != 0x7f {
					return r
				}
				return -1
			}, text)
		}
		out, err := exec.CommandContext(t.Context(), sh, "-c", `printf %s `+word).Output()
		if err != nil || string(out) != want {
			t.Errorf("%q as %s is read by the shell as %q (%v), want %q", s, word, out, err, want)
		}
	})
}

func TestTimesAreSaidInWords(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	rows := []struct {
		at   time.Duration
		want string
	}{
		{0, "a moment ago"},
		{time.Second, "in a moment"},
		{-5300 * time.Millisecond, "5 s ago"},
		{-4 * time.Minute, "4 min ago"},
		{-3 * time.Hour, "3 h ago"},
		{-72 * time.Hour, "3 days ago"},
		{4 * time.Minute, "in 4 min"},
	}
	for _, row := range rows {
		if got := relative(now.Add(row.at), now); got != row.want {
			t.Errorf("%s from now is %q, want %q", row.at, got, row.want)
		}
	}
	for d, want := range map[time.Duration]string{212 * time.Millisecond: "212 ms", 1400 * time.Millisecond: "1.4 s", 2 * time.Second: "2 s", 0: "<1 ms", -1: "–"} {
		if got := spell(d); got != want {
			t.Errorf("%s is spelt %q, want %q", d, got, want)
		}
	}
}

func TestABarcodeReadsAsItsText(t *testing.T) {
	text := "evt_01kb3v0000000000009000"
	svg := string(barcode(text))
	var widths []int
	x := 0
	for part := range strings.SplitSeq(svg[strings.Index(svg, `d="`)+3:strings.LastIndex(svg, `"/>`)], "M") {
		if part == "" {
			continue
		}
		var at, w int
		if n, err := fmt.Sscanf(part, "%d 0h%dv", &at, &w); n != 2 || err != nil {
			t.Fatalf("a bar is written as %q", part)
		}
		if at > x {
			widths = append(widths, at-x)
		}
		widths = append(widths, w)
		x = at + w
	}
	var codes []int
	for len(widths) >= 6 {
		n := 6
		if len(widths) == 7 {
			n = 7
		}
		symbol := ""
		for _, w := range widths[:n] {
			symbol += string(rune('0' + w))
		}
		widths = widths[n:]
		for code, s := range code128 {
			if s == symbol {
				codes = append(codes, code)
			}
		}
	}
	read := ""
	for _, c := range codes[1 : len(codes)-2] {
		read += string(rune(c + ' '))
	}
	if read != text || codes[0] != 104 || codes[len(codes)-1] != 106 {
		t.Errorf("a scanner reads %q from %v", read, codes)
	}
	if barcode("é") != "" || barcode("") != "" || barcode(strings.Repeat("a", 65)) != "" {
		t.Error("a text that has no barcode got one")
	}
}

func TestAnOutcomeThatIsNotKnownShowsBeforeEverythingElse(t *testing.T) {
	for _, state := range []waybill.RunState{waybill.RunDone, waybill.RunBlocked, waybill.RunWaiting} {
		if got := rowTone(waybill.EventRow{State: state, Runs: 1, Unknown: 1}).Word; got != "Unknown" {
			t.Errorf("an event that is %s with an unknown effect shows as %q", state, got)
		}
	}
}

func TestAnEventThatNoFlowUsedIsNotCalledDone(t *testing.T) {
	for _, state := range []waybill.RunState{"", waybill.RunDone} {
		if got := rowTone(waybill.EventRow{State: state}).Word; got != "Not used" {
			t.Errorf("without a run and with the state %q it shows as %q", state, got)
		}
	}
	if got := rowTone(waybill.EventRow{State: waybill.RunDone, Runs: 1}).Word; got != "Done" {
		t.Errorf("with a run that is done it shows as %q", got)
	}
}

func TestAnExpressionIsShownWithoutItsBraces(t *testing.T) {
	for in, want := range map[string]string{"${item.id}": "item.id", "delivered": "delivered", "${a} and ${b}": "${a} and ${b}", "${ {'a': 1}.a }": "{'a': 1}.a", "${": "${"} {
		if got := expression(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

func TestEveryStateHasAWordAnIconAndATone(t *testing.T) {
	tones := map[string]bool{"working": true, "waiting": true, "done": true, "person": true, "unknown": true, "stopped": true}
	check := func(what string, got tone) {
		t.Helper()
		if got.Word == "" || got.Icon == "" || !tones[got.Tone] || got.Dot() == "" {
			t.Errorf("%s shows as %+v", what, got)
		}
	}
	for _, s := range []waybill.RunState{waybill.RunQueued, waybill.RunRunning, waybill.RunWaiting, waybill.RunDone, waybill.RunBlocked, waybill.RunStopped} {
		check(string(s), runTone(s))
		if got := runTone(s).Word; got != s.Shown() {
			t.Errorf("a run that is %s shows as %q, want the vocabulary's %q", s, got, s.Shown())
		}
	}
	for _, s := range []waybill.EffectState{waybill.EffectPlanned, waybill.EffectSent, waybill.EffectConfirmed, waybill.EffectDeclined, waybill.EffectUnknown, waybill.EffectSkipped, waybill.EffectUndone} {
		check(string(s), certainty(waybill.Effect{State: s}, "HubSpot"))
	}
	for _, s := range []waybill.ItemState{waybill.ItemKept, waybill.ItemFetching, waybill.ItemTranslated, waybill.ItemNotUsed, waybill.ItemBlocked} {
		check(string(s), itemTone(s))
	}
	for _, s := range []waybill.Health{waybill.HealthWorking, waybill.HealthLimited, waybill.HealthDown, waybill.HealthSignInNeeded, waybill.HealthPaused} {
		check(string(s), healthTone(s))
	}
	for _, s := range []waybill.ProblemState{waybill.ProblemNew, waybill.ProblemWorking, waybill.ProblemFixed, waybill.ProblemRegressed} {
		check(string(s), problemTone(waybill.Problem{State: s}))
	}
}

func TestAProblemThatGoesOnByItselfNeverWearsTheColourOfOneThatNeedsAPerson(t *testing.T) {
	for _, state := range []waybill.ProblemState{waybill.ProblemNew, waybill.ProblemRegressed} {
		for cause, want := range map[waybill.Cause]string{
			waybill.TheirSideDown: "waiting", waybill.LimitReached: "waiting", waybill.SignInExpired: "person", waybill.DeclinedValue: "person",
		} {
			if got := problemTone(waybill.Problem{State: state, Cause: cause}); got.Tone != want {
				t.Errorf("a problem that is %s, %s, shows as %s: %s", state, cause, got.Tone, got.Word)
			}
		}
	}
}

func TestComingBackStaysOnThisHost(t *testing.T) {
	for target, want := range map[string]string{
		"/events?q=a#eff_1": "/events?q=a#eff_1", "//evil.example/x": "/", "https://evil.example": "/", "javascript:alert(1)": "/", `/\evil.example`: "/",
		"": "/", "events": "/", "/%0d%0aSet-Cookie:x": "/%0d%0aSet-Cookie:x",
	} {
		if got := pathOnly(target); got != want {
			t.Errorf("from %q one comes back to %q, want %q", target, got, want)
		}
	}
}
