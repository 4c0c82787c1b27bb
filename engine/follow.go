package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"waybill"
	"waybill/record"
	"waybill/workspace"
)

// What a node takes over of what the others wrote: the version of the workspace that was published, and the health of
// connections, so that what one found out, and what a person paused, holds for all.

// heed takes over what the book says, if it is another than this node knows.
func (e *Engine) heed(s record.Standing) {
	m := e.member
	if m == nil || s.Epoch == 0 || !s.Holds {
		return
	}
	serves := e.today().id
	bundle := s.Bundle != "" && s.Bundle != serves
	m.mu.Lock()
	if s.Bundle == serves && m.trouble != "" { // the version that it has was published anew
		m.trouble, m.refused, m.cannot = "", "", nil
	}
	bundle = bundle && s.Bundle != m.refused
	health := s.Health != m.health
	start := (bundle || health) && !m.follows
	m.follows = m.follows || start
	m.mu.Unlock()
	if !start {
		return
	}
	e.d.Go(func() {
		if bundle {
			e.followBundle(s.Bundle)
		}
		if health {
			e.followHealth()
		}
		m.mu.Lock()
		m.follows = false
		m.mu.Unlock()
	})
}

// followBundle serves the version that the book says is current. One that this program cannot load leaves the old one
// serving, and the node says so.
func (e *Engine) followBundle(id waybill.BundleID) {
	v, err := e.version(nil, id)
	m := e.member
	m.mu.Lock()
	told := m.trouble
	m.trouble, m.refused = "", ""
	if err == nil {
		m.cannot = nil
	} else {
		if waybill.KindOf(err) != waybill.Unavailable {
			m.refused = id // not tried again
		}
		m.trouble = fmt.Sprintf("the workspace %.12s cannot be served here; the old version keeps serving: %v", id, err)
	}
	said := m.trouble
	m.mu.Unlock()
	if err != nil {
		if said != told {
			e.log.Error(said)
		}
		return
	}
	e.mu.Lock()
	e.current = v
	e.mu.Unlock()
	e.log.Info("another version of the workspace was published: new runs use it, runs under way finish on theirs", "version", fmt.Sprintf("%.12s", id))
}

// leaves reports whether this node leaves to others what needs the version that the book says is current: it is about to take
// that over, or it cannot load it while another that works can, as when nodes get a newer program one after the other.
func (e *Engine) leaves(tx *record.Tx) (bool, error) {
	m := e.member
	if m == nil {
		return false, nil
	}
	current, err := tx.CurrentBundle()
	if err != nil {
		return false, err
	}
	return e.isBehind(current), nil
}

// isBehind is leaves for who has read which version is current; empty says that there are no nodes.
func (e *Engine) isBehind(current waybill.BundleID) bool {
	m := e.member
	if m == nil || current == "" || current == e.today().id {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.trouble == "" || m.abler
}

// outpaced reports whether this node cannot load the version that is current, as far as it knows, while another can.
func (e *Engine) outpaced() bool {
	m := e.member
	if m == nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.trouble != "" && m.abler
}

// errBehind refuses to read an item by a version that is no longer current: a run that waits for what the item tells may have
// begun with the current one, and this node does not know for what those wait.
var errBehind = errors.New("another version of the workspace was published")

// leaveItems leaves items to whoever serves the current version: others, or this node when it has followed.
func (e *Engine) leaveItems(list ...*piece) {
	err := e.take(func(tx *record.Tx) error { return tx.LeaveItems() })
	if err != nil && !errors.Is(err, errLost) {
		e.log.Error("items could not be left to the other nodes; it is tried again", "err", err)
	}
	for _, p := range list {
		e.claims.drop(string(p.item.ID))
	}
	if !e.outpaced() {
		e.Wake()
	}
}

// leaveRun leaves a run to the others, and those of its version from now on.
func (e *Engine) leaveRun(tx *record.Tx, run *waybill.Run) error {
	m := e.member
	m.mu.Lock()
	if !slices.Contains(m.cannot, run.Bundle) {
		m.cannot = append(m.cannot, run.Bundle)
	}
	m.mu.Unlock()
	run.DueAt = e.d.Now().Add(e.o.Sweep) // what is due now would be claimed with the row
	return tx.MoveRun(run, run.State)
}

// dueRuns reads the runs that can go on and that are for this node.
func (e *Engine) dueRuns(tx *record.Tx, limit int) ([]waybill.Run, error) {
	var without []waybill.BundleID
	if m := e.member; m != nil {
		m.mu.Lock()
		without = slices.Clone(m.cannot)
		m.mu.Unlock()
	}
	if len(without) > 0 {
		if leaves, err := e.leaves(tx); err != nil {
			return nil, err
		} else if !leaves {
			without = nil
		}
	}
	return tx.DueRuns(e.d.Now().Add(e.o.Sweep), limit, without...)
}

// followHealth takes over the health of connections as it was written last, by whichever node.
func (e *Engine) followHealth() {
	var list []waybill.ConnectionState
	var mark string
	err := e.book.View(context.Background(), func(tx *record.Tx) error {
		var err error
		if mark, err = tx.HealthMark(); err != nil {
			return err
		}
		list = nil
		for _, name := range slices.Sorted(maps.Keys(e.today().ws.Connections)) {
			s, err := tx.ConnectionState(name)
			if err != nil {
				return err
			}
			s.Connection = name
			list = append(list, *s)
		}
		return nil
	})
	if err != nil {
		e.log.Error("the connections' health could not be read", "err", err)
		return
	}
	var changed []string
	e.mu.Lock()
	for _, s := range list {
		if e.adopt(s) {
			changed = append(changed, s.Connection)
		}
	}
	e.mu.Unlock()
	m := e.member
	m.mu.Lock()
	m.health = mark
	m.mu.Unlock()
	for _, name := range changed {
		if until := e.stateOf(name).Until; !until.IsZero() {
			e.wakeSender(name, until)
		}
		e.pump(name)
	}
}

// adopt takes over a connection's health from the book unless what this node knows is newer. Called with mu held.
func (e *Engine) adopt(s waybill.ConnectionState) bool {
	if s.Account != "" && e.pinned[s.Connection] == "" {
		e.pinned[s.Connection] = s.Account
	}
	have := e.governor.State(s.Connection)
	if s.Health == "" || s.Since.Before(have.Since) && s.Health != waybill.HealthPaused {
		return false
	}
	if s.Health == have.Health && s.Until.Equal(have.Until) && slices.Equal(s.Parked, have.Parked) {
		return false
	}
	e.governor.Restore(s)
	return true
}

// healthInBook returns a connection's health for a decision of an act: as this node knows it, unless the book says that
// another node has written since.
func (e *Engine) healthInBook(tx *record.Tx, name string) (waybill.ConnectionState, error) {
	known := e.stateOf(name)
	m := e.member
	if m == nil {
		return known, nil
	}
	m.mu.Lock()
	fresh := tx.Standing().Health == m.health
	m.mu.Unlock()
	if fresh {
		return known, nil
	}
	s, err := tx.ConnectionState(name)
	if err != nil {
		return known, err
	}
	s.Connection = name
	if s.Health == "" || s.Since.Before(known.Since) && s.Health != waybill.HealthPaused {
		return known, nil
	}
	return *s, nil
}

// publishes reports whether a node that starts with a workspace makes it the book's current one: when it is the first, or
// brings a version that the book has never had. Else it follows the book: a node that comes back with an old folder must
// not take the others back.
func (e *Engine) publishes(ws *workspace.Workspace) (bool, error) {
	if e.member == nil {
		return true, nil
	}
	brings := false
	err := e.view(func(tx *record.Tx) error {
		current, err := tx.CurrentBundle()
		if err != nil {
			return err
		}
		others := 0
		list, err := tx.Nodes()
		if err != nil {
			return err
		}
		for i := range list {
			if list[i].GoneAt.IsZero() && list[i].Epoch != e.epoch() {
				others++
			}
		}
		_, err = tx.Bundle(ws.Bundle)
		brings = current == "" || current == ws.Bundle || others == 0 || waybill.KindOf(err) == waybill.NotFound
		if waybill.KindOf(err) == waybill.NotFound {
			err = nil
		}
		return err
	})
	return brings, err
}
