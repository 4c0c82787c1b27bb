package engine

import (
	"testing"
	"time"
)

// TestACrewThatHadNoRoomForWhatTheTableHasAsksAgain has its queue filled between the moment it falls low and the look at the table.
func TestACrewThatHadNoRoomForWhatTheTableHasAsksAgain(t *testing.T) {
	v := NewVirtual(time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC))
	table, done := 5, 0
	c := newCrew(v, 1, 1, 8, func([]int) {
		done++
		v.Sleep(time.Millisecond)
	})
	filled := false
	c.refill = func() {
		if !filled {
			for range 6 {
				filled = c.push(0)
			}
		}
		for n := c.ask(); n > 0 && table > 0; n-- {
			table--
			c.push(0)
		}
	}
	for range 9 { // one more than it holds
		c.push(0)
	}
	v.RunUntil(v.Now().Add(time.Minute))
	if table != 0 || done != 8+6+5 {
		t.Errorf("%d are left in the table; %d were done", table, done)
	}
}
