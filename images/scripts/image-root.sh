#!/usr/bin/env bash
# Lays out the files of an image inside docker build.
#
#	image-root.sh packages|fastxd|transporter DIR
#
# They all come out of the packages: those in dist/, where make images puts them, or else new ones from the sources.
# packages puts those of a node into DIR; the other two make DIR/root, and DIR/state, which belongs to the daemon's account.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
what=$1 dir=$2

if ! compgen -G 'dist/*.deb' >/dev/null; then
	images/scripts/deps.sh packages
	ARCHITECTURES=$(go env GOARCH) images/scripts/build-packages.sh
fi

if [[ $what == packages ]]; then
	mkdir -p "$dir"
	cp dist/fastxd-core_*.deb dist/fastxd_*.deb "$dir"
	exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dpkg-deb -x dist/fastxd-core_*.deb "$work"
root=$dir/root state=$dir/state
bring() { install -D -m 0644 "$work$1" "$root$1"; }

install -D -m 0755 "$work/usr/bin/fastxd" "$root/usr/bin/fastxd"
bring /usr/share/doc/fastxd-core/copyright
bring /usr/share/doc/fastxd-core/third-party-licenses.gz
install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
install -d -m 1777 "$root/tmp"
echo 'fastx:x:330:330:FastX cluster:/var/lib/fastx-local:/sbin/nologin' >"$root/etc/passwd"
echo 'fastx:x:330:' >"$root/etc/group"
chmod 0644 "$root"/etc/{passwd,group}

# Below the volume and not the volume itself, which may belong to root.
defaults=$root/usr/lib/fastxd/defaults.env
mkdir -p "${defaults%/*}"
echo 'FX_LOCAL_DIR=/var/lib/fastx-local/node' >"$defaults"
if [[ $what == fastxd ]]; then
	mkdir -p "$root/usr/share/fastxd"
	cp -r "$work/usr/share/fastxd/novnc" "$root/usr/share/fastxd/"
	echo 'FX_NOVNC_DIR=/usr/share/fastxd/novnc' >>"$defaults"
	echo 'SERVICES=webserver,manager' >>"$defaults"
fi
install -d -m 0750 "$state"/{etc/fastx,var/fastx,var/lib/fastx-local}
chmod 0755 "$state" "$state"/{etc,etc/fastx,var,var/lib}
