package waybill

// Verb is something a person can do to an item, run, effect, problem or connection.
type Verb string

// The verbs of the desk.
const (
	VerbRetry     Verb = "retry"             // go on; never sends again what may have happened
	VerbEdit      Verb = "edit and retry"    // with other inputs
	VerbSkip      Verb = "skip"              // leave this part out, with a reason
	VerbStop      Verb = "stop"              // end the run here, with a reason
	VerbHappened  Verb = "it happened"       // a person saw it there: confirms an unknown effect
	VerbDidNot    Verb = "it did not happen" // a person saw it is not there: the effect is planned again
	VerbSendAgain Verb = "send again"        // deliberately, though it may have happened; a new generation
	VerbNotUsed   Verb = "not needed"        // an item that cannot be understood is set aside
	VerbPause     Verb = "pause"             // a connection
	VerbResume    Verb = "resume"
	VerbRetire    Verb = "retire"    // a connection that is no longer in the workspace: its address is as if it had never been
	VerbGoOn      Verb = "go on"     // a run that waits for a time or an event: it waits no longer
	VerbTake      Verb = "take"      // a problem: I am on it
	VerbRelease   Verb = "release"   // send what a step that is being introduced holds back
	VerbUndo      Verb = "undo"      // an effect, or all that a run did
	VerbAnew      Verb = "run again" // a run that needs a person, or all that a problem holds, on the version of today
	VerbApprove   Verb = "approve"
	VerbReject    Verb = "reject"
	VerbChange    Verb = "change and approve" // with other values
)

// Choice is one button: what it does, and how safe it is, in words.
type Choice struct {
	Verb        Verb
	Label       string // Retry this step
	Safety      string // "Safe: HubSpot keeps one contact per e-mail" or "May repeat: WhatsApp cannot tell us"
	Safe        bool
	NeedsReason bool
	Inputs      []byte // for an edit: the inputs now, JSON
	Primary     bool
	About       string // of a run or effect: what it would be said of as things stand, for the act that follows from it
}

// Act is a person pressing a button.
type Act struct {
	Who    string
	Role   string // viewer, operator, admin: as they are signed in; empty when it is not known
	Verb   Verb
	Object string // the id: itm_…, run_…, eff_…, prb_…, or a connection's name
	Reason string
	Inputs []byte
	About  string // as the choice that they saw has it: when something else stands there by now it is a Conflict; empty: whatever stands there
}

// Explanation is a problem in five fixed lines.
type Explanation struct {
	Title     string // HubSpot refuses contacts without an e-mail
	Means     string // what it means for the business
	Who       string // who has to act: finance-ops, the builder, HubSpot's support, nobody
	Do        string // what to do
	IfNothing string // what happens if nobody does anything
	Safe      string // is a retry safe?
}
