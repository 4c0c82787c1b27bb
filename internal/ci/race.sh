#!/usr/bin/env bash
# make race: the tests under the race detector. Left out is what has nothing to race and would take most of the time:
#  - prove's worlds, which run one piece of work at a time;
#  - the inside of SQLite (modernc.org: C in Go's clothes): a connection is used by one goroutine at a time, and the locks that
#    see to that are ours and are watched. Its own memory is nobody else's.
set -u
cd "$(dirname "$0")/../.." || exit 2
GO=${GO:-go}
export GOGC=${GOGC:-400} GOMEMLIMIT=${GOMEMLIMIT:-2GiB} # memory is cheaper here than time, up to a point
$GO test -race -short -timeout 20m -gcflags='modernc.org/...=-race=false' $($GO list ./... | grep -v /prove)
