package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"waybill"
	"waybill/deliver"
	"waybill/record"
)

// A refresh token that rotates is used by one node at a time: whoever has the turn uses it, keeps the new one, and leaves
// the token it got for the others. A turn that nobody ends is over when its request can no longer be under way.

// turnFor outlives one request for a token.
const turnFor = 45 * time.Second

// turnToRenew gives this node's turn to renew a connection's token; nil while another node has it.
func (e *Engine) turnToRenew(connection, secret string) (*deliver.Turn, error) {
	c := e.today().ws.Connections[connection]
	if c == nil || c.Secrets[secret] == "" {
		return nil, &waybill.Error{Kind: waybill.NotFound, Message: fmt.Sprintf("the connection %q has no secret %q in the workspace", connection, secret)}
	}
	sealed := c.Secrets[secret]
	name, epoch := "token of "+sealed, e.epoch()
	var left []byte
	mine := false
	err := e.book.Do(context.Background(), func(tx *record.Tx) (err error) {
		s, err := tx.As(epoch)
		if err != nil || !s.Holds {
			left, mine = nil, false
			return err
		}
		left, mine, err = tx.TakeTurn(name, epoch, e.d.Now().Add(turnFor))
		return err
	})
	if err != nil || !mine {
		return nil, err
	}
	turn := &deliver.Turn{Done: func(got *deliver.Renewal) { e.endTurn(name, epoch, got) }}
	if turn.Last.Refresh, err = e.o.Fresh(sealed); err != nil {
		turn.Done(nil)
		return nil, err
	}
	var last deliver.Renewal
	if plain, err := e.o.Unseal(name, left); err == nil && json.Unmarshal(plain, &last) == nil && last.Refresh == turn.Last.Refresh {
		turn.Last = last // else somebody signed in anew
	}
	return turn, nil
}

// endTurn lets the others have the turn, and what came of it.
func (e *Engine) endTurn(name string, epoch int64, got *deliver.Renewal) {
	var leave []byte
	if got != nil {
		if plain, err := json.Marshal(got); err == nil {
			leave = e.o.Seal(name, plain)
		}
	}
	err := e.book.Do(context.Background(), func(tx *record.Tx) error { return tx.EndTurn(name, epoch, leave) })
	if err != nil {
		e.log.Error("the turn to renew a token could not be given up; it ends by itself", "err", err)
	}
}
