package record

import "waybill"

// EffectAt returns the newest generation of the effect of an address (event, flow, address); NotFound when there is none.
func (tx *Tx) EffectAt(event waybill.EventID, flow, address string) (*waybill.Effect, error) {
	e, found, err := one(tx, "SELECT "+effectColumns+` FROM effects WHERE event = $1 AND flow = $2 AND address = $3
		ORDER BY generation DESC LIMIT 1`, scanEffect, event, flow, indexed(address))
	if err == nil && !found {
		err = notFound("effect at", flow+" "+address)
	}
	return &e, err
}

// EffectsFor returns all effects for an event, of every flow, oldest first.
func (tx *Tx) EffectsFor(event waybill.EventID) ([]waybill.Effect, error) {
	return list(tx, "SELECT "+effectColumns+" FROM effects WHERE event = $1 ORDER BY seq", scanEffect, event)
}

// EventsFrom returns the events that flows emitted from one, oldest first.
func (tx *Tx) EventsFrom(parent waybill.EventID) ([]waybill.Event, error) {
	return list(tx, "SELECT "+eventColumns+" FROM events WHERE parent <> '' AND parent = $1 ORDER BY seq", scanEvent, parent)
}

// FetchAt returns the newest fetch of a run's address; NotFound when there is none.
func (tx *Tx) FetchAt(run waybill.RunID, address string) (*waybill.Fetch, error) {
	all, err := tx.FetchesOfRun(run)
	if err != nil {
		return nil, err
	}
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Address == address && all[i].Effect == "" {
			return &all[i], nil
		}
	}
	return nil, notFound("fetch at", address)
}
