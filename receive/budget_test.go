package receive

import "testing"

func TestWhatIsRefusedOrDoneIsGivenBack(t *testing.T) {
	whole := &budget{maxRequests: 1, maxBytes: 10}
	door := &budget{maxRequests: 5, maxBytes: 100}
	busy := &lease{door: &budget{maxRequests: 5, maxBytes: 100}, whole: whole}
	if busy.work() != nil || busy.grow(10) != nil {
		t.Fatal("an empty budget refuses")
	}
	l := &lease{door: door, whole: whole}
	if ref := l.work(); ref == nil || ref.status != 503 {
		t.Errorf("%+v", ref)
	}
	if ref := l.grow(1); ref == nil || ref.status != 503 {
		t.Errorf("%+v", ref)
	}
	l.giveBack()
	busy.giveBack()
	for name, b := range map[string]*budget{"door": door, "other door": busy.door, "whole": whole} {
		if b.requests.Load() != 0 || b.bytes.Load() != 0 {
			t.Errorf("%s still holds %d requests and %d bytes", name, b.requests.Load(), b.bytes.Load())
		}
	}
	small := &lease{door: &budget{maxRequests: 0, maxBytes: 1}, whole: whole}
	if ref := small.work(); ref == nil || ref.status != 429 {
		t.Errorf("%+v", ref)
	}
	if ref := small.grow(2); ref == nil || ref.status != 429 {
		t.Errorf("%+v", ref)
	}
	if whole.requests.Load() != 0 || whole.bytes.Load() != 0 {
		t.Error("a door's refusal is charged to the whole")
	}
}
