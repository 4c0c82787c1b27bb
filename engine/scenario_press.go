package engine

import (
	"context"
	"fmt"

	"waybill"
	"waybill/workspace"
)

// press does what a person of a scenario does, to the newest thing of the flow that offers it.
func (r *trial) press(ctx context.Context, p *workspace.Press) error {
	objects, err := r.pressable(ctx, p)
	if err != nil {
		return err
	}
	for _, object := range objects {
		offered, err := r.engine.Choices(ctx, object)
		if err != nil {
			return err
		}
		for _, c := range offered {
			if c.Verb != p.Verb {
				continue
			}
			_, err := r.engine.Act(ctx, waybill.Act{Who: p.Who, Verb: p.Verb, Object: object, Reason: p.Reason, Inputs: p.Values})
			if waybill.KindOf(err) == waybill.Forbidden {
				r.fail("%s pressed %q, and may not: %v", p.Who, p.Verb, err)
				return nil
			}
			return err
		}
	}
	r.fail("%s was to press %q at %s, and nothing there offers it", p.Who, p.Verb, p.Flow)
	return nil
}

// pressable are the effects of a step, or the runs, of a flow: the newest first.
func (r *trial) pressable(ctx context.Context, p *workspace.Press) ([]string, error) {
	var out []string
	f := waybill.ListFilter{Flow: p.Flow, Limit: 200}
	if p.Step == "" {
		runs, _, err := r.Book.Runs(ctx, f)
		for _, run := range runs {
			out = append(out, string(run.ID))
		}
		return out, err
	}
	effects, _, err := r.Book.Effects(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("read the effects of %s: %w", p.Flow, err)
	}
	for i := range effects {
		if effects[i].Address == p.Step {
			out = append(out, string(effects[i].ID))
		}
	}
	return out, nil
}
