package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestAProblemSaysEachFlowItHolds(t *testing.T) {
	v, err := readShown([]byte(`{"id":"prb_1","flows":["payment-to-crm","new-lead"],"count":2,"total":2}`))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	m := &Main{Stdout: &out}
	m.tellProblem(v)
	if !strings.Contains(out.String(), "flows: payment-to-crm, new-lead\n") {
		t.Errorf("said is\n%s", out.String())
	}
	if got := cell(v["flows"]); got != "payment-to-crm, new-lead" {
		t.Errorf("in a list it is %q", got)
	}
}
