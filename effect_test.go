package waybill_test

import (
	"testing"

	"waybill"
)

func TestAPlainAddressKeepsNoItemKey(t *testing.T) {
	for in, want := range map[string]string{"won": "won", "items[sku-1].update": "items[].update", "a[x[y]].b[1]": "a[].b[]"} {
		if got := waybill.PlainAddress(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}
