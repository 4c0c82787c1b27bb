package deliver_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"waybill"
	"waybill/connector"
	"waybill/deliver"
)

// answering is a transport that answers at once, so that what is measured is ours.
type answering struct{ body string }

func (a answering) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		io.Copy(io.Discard, req.Body)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}, "Date": {"x"}, "Request-Id": {"req_1"}},
		Body: io.NopCloser(strings.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}, nil
}

const benchAnswer = `{"id":"12345","properties":{"amount":"1299.00","dealstage":"closedwon","hs_object_id":"12345"},"updatedAt":"2026-11-02T10:00:00Z","archived":false}`

func benchTarget() (*deliver.Target, waybill.Request) {
	t := targetOf("https://api.example.com")
	t.Private = nil
	t.Manifest.SignIn = connector.SignIn{Kind: "bearer", Secret: "api_key"}
	return t, requestOf("POST", "https://api.example.com/crm/v3/objects/deals/12345", `{"properties":{"amount":"1299.00","dealstage":"closedwon"}}`,
		waybill.Header{Name: "Content-Type", Value: "application/json"}, waybill.Header{Name: "Idempotency-Key", Value: "0123456789abcdef"})
}

// BenchmarkCall is what Call costs beyond net/http.
func BenchmarkCall(b *testing.B) {
	t, req := benchTarget()
	caller := callerOf(answering{benchAnswer})
	b.ReportAllocs()
	for b.Loop() {
		if x := caller.Call(context.Background(), t, write, req); x.Attempt.Certainty != waybill.Happened {
			b.Fatal(x)
		}
	}
}

// BenchmarkLoopback compares a call over loopback with the same request by net/http alone.
func BenchmarkLoopback(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, benchAnswer)
	}))
	defer server.Close()
	t, req := benchTarget()
	t.Private, req.URL = targetOf(server.URL).Private, server.URL
	b.Run("call", func(b *testing.B) {
		caller := callerOf(deliver.Transport())
		for b.Loop() {
			if x := caller.Call(context.Background(), t, write, req); x.Attempt.Certainty != waybill.Happened {
				b.Fatal(x)
			}
		}
	})
	b.Run("net/http", func(b *testing.B) {
		for b.Loop() {
			resp, err := http.Post(server.URL, "application/json", strings.NewReader(string(req.Body)))
			if err != nil {
				b.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
}

func BenchmarkGate(b *testing.B) {
	rules := deliver.Rules()
	v := deliver.GateView{
		Effect: effectOf("key"), Run: &waybill.Run{State: waybill.RunWaiting}, Connection: &waybill.ConnectionState{}, Now: t0,
	}
	b.ReportAllocs()
	for b.Loop() {
		deliver.AskGate(rules, v)
	}
}
