package main

import "testing"

func TestAnAddressIsShownWithoutItsPassword(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://waybill@db/x":                              "postgres://waybill@db/x",
		"postgres://waybill:made-up@db:5433/x?sslmode=require": "postgres://waybill@db:5433/x?sslmode=require",
		"postgres://db/x?password=made-up&user=waybill":        "postgres://db/x?user=waybill",
		"postgres://waybill:%zz@db/x":                          "its address",
	} {
		if got := withoutPassword(dsn); got != want {
			t.Errorf("%s is shown as %s", dsn, got)
		}
	}
}
