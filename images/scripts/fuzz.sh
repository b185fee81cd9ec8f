#!/usr/bin/env bash
# Runs every fuzz target, one after the other (go test takes one at a time). Inputs are made smaller in ten tries and
# not for a minute each, which would be all that a target does where its coverage varies from run to run.
#
#	fuzz.sh DURATION
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
time=${1:-30s}
grep -rE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+\(' daemon testenv terraform-provider |
	sed -E 's|^(.*)/[^/]+:func (Fuzz[A-Za-z0-9_]+).*|\1 \2|' | sort |
	while read -r package target; do
		echo "== $package $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "./$package" </dev/null
	done
