#!/usr/bin/env bash
# Prints the packages whose test files contain a text, as go test takes them.
#
#	packages.sh TEXT
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
files=$(grep -rlF --include='*_test.go' -- "$1" daemon testenv terraform-provider) || {
	echo "no test file contains: $1" >&2
	exit 1
}
xargs -n1 dirname <<<"$files" | sort -u | sed 's|^|./|'
