package expr

import (
	"math"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"
)

func TestPlainDataIsWrittenAsTheLibraryWritesIt(t *testing.T) {
	leaf := rapid.OneOf(
		rapid.Just[any](nil), rapid.Map(rapid.Bool(), func(v bool) any { return v }),
		rapid.Map(rapid.Int64(), func(v int64) any { return v }), rapid.Map(rapid.Int(), func(v int) any { return v }),
		rapid.Map(rapid.String(), func(v string) any { return v }),
		rapid.SampledFrom([]any{"a\"b\\c\n", "\u2028<&>", "é🙂", 1.5, math.MaxFloat64, "\x7f", "\xff", time.Unix(1, 5).UTC(), []any(nil), map[string]any(nil)}),
	)
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		if depth == 0 {
			return leaf
		}
		inner := value(depth - 1)
		return rapid.OneOf(leaf,
			rapid.Map(rapid.SliceOfN(inner, 0, 5), func(v []any) any { return v }),
			rapid.Map(rapid.MapOfN(rapid.String(), inner, 0, 20), func(v map[string]any) any { return v }))
	}
	rapid.Check(t, func(t *rapid.T) {
		v := value(3).Draw(t, "value")
		got, err := EncodeJSON(v)
		want, wantErr := json.Marshal(v, json.Deterministic(true))
		if (err != nil) != (wantErr != nil) || err == nil && string(got) != string(want) {
			t.Fatalf("%v\n got %s, %v\nwant %s, %v", v, got, err, want, wantErr)
		}
	})
}
