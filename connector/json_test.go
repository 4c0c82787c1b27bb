package connector_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"waybill"
	"waybill/connector"
	"waybill/expr"
)

func TestWholeNumbersStayExact(t *testing.T) {
	got, err := connector.DecodeJSON([]byte(`{"id":9007199254740993,"far":18446744073709551616,"low":-9223372036854775808,"part":1.5,"exp":1e3}`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"id": int64(9007199254740993), "far": "18446744073709551616", "low": int64(-9223372036854775808), "part": 1.5, "exp": 1000.0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	text, err := expr.EncodeJSON(want["id"])
	if err != nil || string(text) != "9007199254740993" {
		t.Errorf("encoded %s, %v", text, err)
	}
}

func TestJSONThatCouldBeReadInTwoWaysIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"a name twice":            `{"a":1,"a":2}`,
		"a name twice, escaped":   `{"a":1,"\u0061":2}`,
		"bad UTF-8":               "{\"a\":\"\xff\"}",
		"half a surrogate pair":   `{"a":"\ud800"}`,
		"something after the end": `{} {}`,
		"nothing":                 ``,
		"only spaces":             `   `,
		"cut off":                 `{"a":[1,`,
		"a comment":               `{} // x`,
		"not a number":            `NaN`,
		"leading zeros":           `{"a":007}`,
		"too deep":                strings.Repeat("[", 66) + strings.Repeat("]", 66),
		"very deep":               strings.Repeat("[", 100_000),
	} {
		if got, err := connector.DecodeJSON([]byte(text)); waybill.KindOf(err) != waybill.Invalid {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestPlacesAreFoundInOrderWithTheirPointers(t *testing.T) {
	body, err := connector.DecodeJSON([]byte(`{"entry":[{"changes":[{"v":1},{"w":0},{"v":2}]},{"changes":[{"v":3}]},{"a/b":{"m~n":4}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []connector.Found{
		{Pointer: "/entry/0/changes/0/v", Value: int64(1)},
		{Pointer: "/entry/0/changes/2/v", Value: int64(2)},
		{Pointer: "/entry/1/changes/0/v", Value: int64(3)},
	}
	if diff := cmp.Diff(want, connector.Find(body, "/entry/*/changes/*/v")); diff != "" {
		t.Error(diff)
	}
	for _, f := range want {
		if got, ok := connector.At(body, f.Pointer); !ok || got != f.Value {
			t.Errorf("at %s: %v, %v", f.Pointer, got, ok)
		}
	}
	if got, ok := connector.At(body, "/entry/2/a~1b/m~0n"); !ok || got != int64(4) {
		t.Errorf("escaped names: %v, %v", got, ok)
	}
	for _, nowhere := range []string{"/entry/9", "/entry/-1", "/entry/x", "/entry/0/changes/0/v/deeper", "/no"} {
		if got, ok := connector.At(body, nowhere); ok {
			t.Errorf("something at %s: %v", nowhere, got)
		}
	}
	if all := connector.Find(body, ""); len(all) != 1 || all[0].Pointer != "" {
		t.Errorf("the whole body is found as %v", all)
	}
}

func TestAnotherPartIsFoundByTheItemsOwnPlaces(t *testing.T) {
	each := "/entry/*/changes/*/value/messages/*"
	if got := connector.Bind("/entry/*/changes/*/value", each, "/entry/1/changes/0/value/messages/4"); got != "/entry/1/changes/0/value" {
		t.Errorf("bound to %s", got)
	}
	if got := connector.Bind("/data/object", "", ""); got != "/data/object" {
		t.Errorf("bound to %s", got)
	}
}

func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{`{}`, `[1,2.5,"x",null,true]`, `{"a":{"b":[{}]}}`, `9007199254740993`, `"\ud83d\ude00"`, `-0`, `1e400`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		value, err := connector.DecodeJSON(text)
		if err != nil {
			if waybill.KindOf(err) != waybill.Invalid {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		if !json.Valid(text) {
			t.Fatalf("read what is no JSON: %q", text)
		}
		again, err := expr.EncodeJSON(value)
		if err != nil {
			t.Fatalf("write %v: %v", value, err)
		}
		back, err := connector.DecodeJSON(again)
		if err != nil {
			t.Fatalf("read again %q: %v", again, err)
		}
		if strings.ContainsAny(string(text), ".eE") {
			return // 1.0 comes back as 1
		}
		if diff := cmp.Diff(value, back); diff != "" {
			t.Fatal(diff)
		}
	})
}
