#!/usr/bin/env bash
# Runs go test with what the tests of real sessions need around them.
#
#	gotest.sh ARGUMENT...
set -euo pipefail
FX_NOVNC_DIR=$("$(dirname "${BASH_SOURCE[0]}")/novnc-dir.sh") || echo "noVNC is not installed: tests of the page's display will fail" >&2
export FX_NOVNC_DIR
# What browser tests see is kept for people to look at.
FX_SHOTS_DIR=${FX_SHOTS_DIR-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/screenshots}
export FX_SHOTS_DIR
[[ -z $FX_SHOTS_DIR ]] || mkdir -p "$FX_SHOTS_DIR"
if ! docker version >/dev/null 2>&1; then
	echo "no Docker engine answers here: the tests that need containers are skipped" >&2
fi
exec go test "$@"
