package main

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"waybill"
)

// metrics are the figures for a monitoring system, at /metrics.
type metrics struct {
	registry *prometheus.Registry
	intake   *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), intake: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "waybill_intake_seconds", Help: "Time to answer a request at /in/, by status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
	}, []string{"status"})}
	m.registry.MustRegister(m.intake, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// count measures the intake.
func (m *metrics) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		s := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(s, r)
		m.intake.WithLabelValues(strconv.Itoa(s.status)).Observe(time.Since(start).Seconds())
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// handler serves the figures; those of the book are read when they are asked for.
func (m *metrics) handler(a *app) http.Handler {
	m.registry.MustRegister(&bookFigures{app: a})
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// bookFigures reads what the book says of the last day.
type bookFigures struct{ app *app }

var (
	figureDesc = prometheus.NewDesc("waybill_figures", "Counts of the last 24 hours (received, duplicate, not_used, rejected, events, done, stopped) and of now (working, waiting, blocked, unknown, late).", []string{"what"}, nil)
	queueDesc  = prometheus.NewDesc("waybill_connection_queued", "Effects and fetches that wait for a connection.", []string{"connection"}, nil)
	leaseDesc  = prometheus.NewDesc("waybill_node_lease_seconds", "How long this node's lease on the book still holds.", []string{"node", "epoch"}, nil)
	healthDesc = prometheus.NewDesc("waybill_connection_working", "1 when a connection works, 0 when it is limited, down, paused or needs a sign-in.", []string{"connection"}, nil)
)

// Describe names the figures.
func (b *bookFigures) Describe(ch chan<- *prometheus.Desc) {
	ch <- figureDesc
	ch <- queueDesc
	ch <- healthDesc
	ch <- leaseDesc
}

// Collect reads the book.
func (b *bookFigures) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if n, ok := b.app.engine.Node(); ok {
		ch <- prometheus.MustNewConstMetric(leaseDesc, prometheus.GaugeValue, n.Until.Sub(b.app.engine.Now()).Seconds(), n.Name, strconv.FormatInt(n.Epoch, 10))
	}
	o, err := b.app.opened.book.Overview(ctx, time.Now().Add(-24*time.Hour))
	if err != nil {
		ch <- prometheus.NewInvalidMetric(figureDesc, err)
		return
	}
	for what, n := range map[string]int{
		"received": o.Received, "duplicate": o.Duplicate, "not_used": o.NotUsed, "rejected": o.Rejected,
		"events": o.Events, "working": o.Working, "waiting": o.Waiting, "done": o.Done, "stopped": o.Stopped, "blocked": o.Blocked,
		"unknown": o.Unknown, "late": o.Late, "asks": o.Asks,
	} {
		ch <- prometheus.MustNewConstMetric(figureDesc, prometheus.GaugeValue, float64(n), what)
	}
	list, err := b.app.opened.book.Connections(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(queueDesc, err)
		return
	}
	for _, c := range list {
		if c.Retired != nil {
			continue
		}
		ch <- prometheus.MustNewConstMetric(queueDesc, prometheus.GaugeValue, float64(c.Queued), c.State.Connection)
		working := 0.0
		if c.State.Health == waybill.HealthWorking || c.State.Health == "" {
			working = 1
		}
		ch <- prometheus.MustNewConstMetric(healthDesc, prometheus.GaugeValue, working, c.State.Connection)
	}
}
