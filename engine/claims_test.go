package engine

import "testing"

func TestWhatWasLetGoDuringALookIsNotTakenFromWhatTheLookRead(t *testing.T) {
	c := newClaims()
	c.take("itm_1")
	done := c.look()
	c.drop("itm_1") // it was understood after the table was read
	if c.takeSeen("itm_1") {
		t.Error("an item that was done is taken once more, from what was read before")
	}
	if !c.takeSeen("itm_2") {
		t.Error("an item that nobody held is not taken")
	}
	done()
	next := c.look()
	defer next()
	if !c.takeSeen("itm_1") {
		t.Error("what was let go before the look began is not taken")
	}
}
