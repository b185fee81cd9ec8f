#!/usr/bin/env bash
# Prints the directory noVNC is in: FX_NOVNC_DIR, the distribution's, or the one that
# deps.sh unpacked. Prints the distribution's and fails when it is nowhere.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
for dir in "${FX_NOVNC_DIR:-}" /usr/share/novnc "$root/build/novnc/usr/share/novnc"; do
	if [[ -n $dir && -d $dir/core ]]; then
		echo "$dir"
		exit
	fi
done
echo /usr/share/novnc
exit 1
