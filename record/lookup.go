package record

import "waybill"

// EffectAt returns the newest generation of the effect of an address (event, flow, address); NotFound when there is none.
func (tx *Tx) EffectAt(event waybill.EventID, flow, address string) (*waybill.Effect, error) {
	panic("unwritten")
}

// FetchAt returns the newest fetch of a run's address; NotFound when there is none.
func (tx *Tx) FetchAt(run waybill.RunID, address string) (*waybill.Fetch, error) { panic("unwritten") }
