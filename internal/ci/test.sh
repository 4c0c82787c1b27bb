#!/usr/bin/env bash
# make test: every test of the project. Installs or finds by itself what the tests need; what cannot run is said, and fails.
set -u
cd "$(dirname "$0")/../.." || exit 2
GO=${GO:-go}
missing=()

browser() {
	for c in chromium chromium-browser google-chrome; do command -v "$c" >/dev/null 2>&1 && return 0; done
	return 1
}
postgres() { ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1; }
pooler() { [ -x /usr/sbin/pgbouncer ] || command -v pgbouncer >/dev/null 2>&1; }

# need CHECK NAME PACKAGE TESTS: installs what CHECK does not find, or says which tests do not run.
need() {
	"$1" && return
	echo "test: $2 is missing; installing it from the distribution's packages"
	if command -v apt-get >/dev/null 2>&1; then
		local sudo=""
		if [ "$(id -u)" != 0 ]; then sudo="sudo -n"; fi
		{ $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "$3"; } >/dev/null 2>&1 || true
	fi
	"$1" || missing+=("$4: no $2, and it could not be installed; install the package $3")
}
need browser Chromium chromium "the browser tests of show (pages in Chromium)"
need postgres PostgreSQL postgresql "the tests on PostgreSQL"
need pooler pgBouncer pgbouncer "the tests through a pooler"
if pooler; then export WAYBILL_TEST_POOLER=required; fi
export WAYBILL_TEST_POSTGRES=required
if ! postgres; then export WAYBILL_TEST_POSTGRES=absent; fi

export WAYBILL_TEST_BROWSER=required
if ! browser; then export WAYBILL_TEST_BROWSER=absent; fi

export GOGC=${GOGC:-400} GOMEMLIMIT=${GOMEMLIMIT:-2GiB} # memory is cheaper here than time, up to a point
status=0
$GO vet ./... || status=1
$GO test -timeout 20m ./... || status=1
# The book's own suite runs on PostgreSQL above; so do the engine's tests, a second time. The whole suite through a pooler
# is run by make proof.
if postgres; then
	WAYBILL_TEST_DATABASE=postgres $GO test -short -timeout 20m ./engine || status=1
fi
# The official SDKs stay out of the product: they live in a module of their own.
if [ -f test/contract/go.mod ]; then
	(cd test/contract && $GO test -timeout 10m ./...) || status=1
fi
if [ ${#missing[@]} -gt 0 ]; then
	echo
	echo "These tests did not run:"
	printf '  - %s\n' "${missing[@]}"
	status=1
fi
if [ $status = 0 ]; then echo "test: everything passed"; else echo "test: FAILED"; fi
exit $status
