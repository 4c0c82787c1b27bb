package engine

// The labelled steps: places between two commits, or between a commit and the outside world, where a process that ends leaves
// the most to find again. Options.Passing hears of each.
const (
	stepArriving   = "arriving"   // the arrival is read and not yet kept
	stepKept       = "kept"       // it is kept, and the sender has no answer yet
	stepTranslated = "translated" // its items are read, and nothing of it is written
	stepUnderstood = "understood" // events, runs and effects are written, and nothing follows yet
	stepSending    = "sending"    // an effect has its turn, and `sent` is not written
	stepSent       = "sent"       // `sent` is written, and no byte has left
	stepAnswered   = "answered"   // the other side has answered, and nothing of it is written
	stepSettled    = "settled"    // the outcome is written, and nothing follows yet
	stepRead       = "read"       // a read was answered, and nothing of it is written
	stepLooking    = "looking"    // a look-up is written, and not made
	stepTaken      = "taken on"   // a run was taken on, and nothing follows yet
	stepRecovered  = "recovered"  // what a crash left is decided, and nothing follows yet
)

// Steps lists every labelled step, in the order of an event's way.
func Steps() []string {
	return []string{
		stepArriving, stepKept, stepTranslated, stepUnderstood, stepSending, stepSent, stepAnswered, stepSettled,
		stepRead, stepLooking, stepTaken, stepRecovered,
	}
}
