#!/usr/bin/env bash
# make lint: gofumpt, go vet and golangci-lint with .golangci.yml.
set -u
cd "$(dirname "$0")/../.." || exit 2
. internal/ci/tools.sh
tool golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 || { echo "lint: golangci-lint cannot be built here"; exit 1; }
golangci-lint run ./... && echo "lint: clean"
