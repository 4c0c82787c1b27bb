package record

import (
	"fmt"
	"testing"

	"waybill"
)

func TestAnAmountIsReadAsPeopleWriteIt(t *testing.T) {
	for typed, want := range map[string]int64{
		"1299": 129900, "1,299.00": 129900, "₹1,299.00": 129900, "₹ 1,29,900.50": 12990050, "INR 1299": 129900, "1299 INR": 129900,
		"Rs. 1,299/-": 129900, "rs 1299": 129900, "$0.5": 50, "€ 1 299": 129900, "0": 0, "1299.": 129900,
	} {
		got, ok := typedMinor(typed)
		if !ok || got != want {
			t.Errorf("%q is %d, %t; want %d", typed, got, ok, want)
		}
	}
	for _, typed := range []string{"", "SO-1001", "12.345", "asha@example.com", "1299.0.0", "12e3", ".", "-", "99999999999999999999"} {
		if got, ok := typedMinor(typed); ok {
			t.Errorf("%q is read as %d", typed, got)
		}
	}
}

func FuzzWhatIsTypedFindsWhatIsKept(f *testing.F) {
	for _, s := range []string{"1299", "+91 98765 43210", "SO-1001", "asha@example.com", "₹1,299.00", "\xff", "", "0000000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		q := newQuery(typed)
		if len(q.hashes()) == 0 {
			t.Fatal("nothing to look up")
		}
		key := waybill.SearchKey{Kind: "id", Value: typed}
		if !q.matches("", []waybill.SearchKey{key}) {
			t.Errorf("%q does not find itself", typed)
		}
		if q.amount {
			key := waybill.SearchKey{Kind: "amount", Value: fmt.Sprint(q.minor)}
			if !q.matches("", []waybill.SearchKey{key}) {
				t.Errorf("%q does not find its amount %d", typed, q.minor)
			}
		}
		if q.phone != "" && !q.matches("", []waybill.SearchKey{{Kind: "phone", Value: "+" + q.phone}}) {
			t.Errorf("%q does not find its number", typed)
		}
	})
}

func FuzzACursorOfRejectionsIsReadOrIgnored(f *testing.F) {
	f.Add("5|3|abc rest")
	f.Add("5|99|x")
	f.Add("||")
	f.Fuzz(func(t *testing.T, cursor string) {
		before, name, reason := cutCursor(cursor)
		if before == 0 {
			return
		}
		back := fmt.Sprintf("%d|%d|%s%s", before, len(name), name, reason)
		again, name2, reason2 := cutCursor(back)
		if again != before || name2 != name || reason2 != reason {
			t.Errorf("%q is read as %d %q %q, and that as %d %q %q", cursor, before, name, reason, again, name2, reason2)
		}
	})
}
