package engine

import "testing"

func TestWhatWasLetGoDuringALookIsNotTakenFromWhatTheLookRead(t *testing.T) {
	c := newClaims()
	c.take("itm_1")
	first := c.look()
	c.drop("itm_1") // it was understood after the table was read
	if first.take("itm_1") {
		t.Error("an item that was done is taken once more, from what was read before")
	}
	if !first.take("itm_2") {
		t.Error("an item that nobody held is not taken")
	}
	next := c.look()
	first.end()
	if !next.take("itm_1") {
		t.Error("what was let go before the look began is not taken, as another look had not ended")
	}
	next.end()
	if len(c.looks) != 0 {
		t.Error("a look that has ended is kept")
	}
}
