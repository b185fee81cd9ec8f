#!/usr/bin/env bash
# Runs one node from ./run/, whose configuration is made the first time.
#
#	run.sh [HOST:PORT]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export FX_CONFIG_DIR=$PWD/run/config FX_VAR_DIR=$PWD/run/var FX_LOCAL_DIR=$PWD/run/local FX_RUN_DIR=$PWD/run/run
export FX_NODE_FILE=$PWD/run/node.env # not the one of an installed node
export FX_LISTEN=${1:-127.0.0.1:3300}
FX_NOVNC_DIR=$(images/scripts/novnc-dir.sh) || echo "noVNC is not installed: pages work, but show no display" >&2
export FX_NOVNC_DIR

# The longest socket below FX_RUN_DIR adds 23 bytes, and a socket's name can have 107.
((${#FX_RUN_DIR} <= 84)) || export FX_RUN_DIR=/tmp/fx-$UID

mkdir -p run
chmod 0750 run
if [[ -z $(ls -A "$FX_CONFIG_DIR" 2>/dev/null) ]]; then
	bin/fastxctl init "$FX_CONFIG_DIR"
	echo "This login is shown only once. To get another, remove run/config and run make run again." >&2
fi
exec bin/fastxd
