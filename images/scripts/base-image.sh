#!/usr/bin/env bash
# Makes a base image from Debian's packages, where it is missing, and prints its NAME:TAG.
#
#	base-image.sh [SUITE [test|plain]]
#
# test (the default) is what container tests run in: systemd and an X server; plain is what debian:SUITE-slim is.
# There need not be any registry: the root file system is made with mmdebstrap and imported. The tag is a digest of
# what goes in, so a changed list makes a new image.
set -euo pipefail

suite=${1:-bookworm}
case ${2:-test} in
test)
	image=fastx-kit/base-$suite
	packages=systemd,systemd-sysv,dbus,tigervnc-standalone-server,openbox,xterm,xauth,fonts-dejavu-core,curl,ca-certificates,procps,iproute2,x11-utils
	# Logins and what surrounds them: sshd, sudo, logind, a second factor, and accounts that only the name service knows.
	packages+=,openssh-server,sudo,libpam-systemd,libpam-oath,libnss-extrausers
	# What packages meet: the other packager, and a share that root has no rights on.
	packages+=,rpm,bindfs,fuse3
	;;
plain)
	image=fastx-kit/plain-$suite
	packages=
	;;
*) echo "usage: base-image.sh [SUITE [test|plain]]" >&2; exit 2 ;;
esac
exclude=(/usr/share/doc/\* /usr/share/man/\* /usr/share/locale/\*)

tag=$(printf '%s\n' "$suite" "$packages" "${exclude[@]}" | sha256sum | cut -c1-12)
image=$image:$tag

if ! docker image inspect "$image" >/dev/null 2>&1; then
	if ! command -v mmdebstrap >/dev/null; then
		echo "mmdebstrap is not installed; run: apt-get install mmdebstrap" >&2
		exit 1
	fi
	options=(${packages:+"--include=$packages"})
	for path in "${exclude[@]}"; do options+=("--dpkgopt=path-exclude=$path"); done
	# By way of a file, not a pipe: when its reader fails, mmdebstrap hangs up its whole process group.
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	mmdebstrap --quiet --variant=minbase "${options[@]}" "$suite" "$work/root.tar" >&2
	docker import --change 'CMD ["/lib/systemd/systemd"]' "$work/root.tar" "$image" >&2
fi
echo "$image"
