package deliver

import "context"

type callKey struct{}

type callName struct{ connection, action string }

// withCall marks a context with the connection and action it calls.
func withCall(ctx context.Context, connection, action string) context.Context {
	return context.WithValue(ctx, callKey{}, callName{connection, action})
}

// CallOf returns the connection and action that a request belongs to, for transports that answer by them (the
// simulator's, a scenario's); no action for a token, and both empty when it is none of a Caller's.
func CallOf(ctx context.Context) (connection, action string) {
	name, _ := ctx.Value(callKey{}).(callName)
	return name.connection, name.action
}
