#!/usr/bin/env bash
# make fuzz: every fuzz target for FUZZTIME (20s) from its kept corpus.
set -u
cd "$(dirname "$0")/../.." || exit 2
status=0
for pkg in $(go list ./...); do
	for target in $(go test -list '^Fuzz' "$pkg" 2>/dev/null | grep '^Fuzz'); do
		echo "fuzz: $pkg $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-20s}" "$pkg" || status=1
	done
done
exit $status
