#!/usr/bin/env bash
# Prints what this commit is called: 1.2.3, or a name that sorts before the next version.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if tag=$(git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null); then
	echo "${tag#v}"
else
	echo "0.0.0~git$(git rev-list --count HEAD).$(git rev-parse --short=8 HEAD)"
fi
