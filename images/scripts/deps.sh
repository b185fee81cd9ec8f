#!/usr/bin/env bash
# Installs what a make target needs and is not there yet.
#
#	deps.sh [--dry-run] run|test|packages|repository|images
#
# Where nothing is missing, nothing is done and nobody is asked, so a second run
# is instant. Without root it prints the exact command and fails. --dry-run prints
# the commands and runs none.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# target, package manager, what must be there (a program, or a path), the package that brings it
table='
run    apt  Xvnc                                tigervnc-standalone-server
run    apt  xauth                               xauth
run    apt  xterm                               xterm
run    apt  openbox                             openbox
run    apt  dbus-run-session                    dbus
run    apt  /usr/share/fonts/X11/misc           xfonts-base
run    apt  /usr/share/fonts/truetype/dejavu    fonts-dejavu-core
test   apt  gcc                                 gcc
test   apt  /usr/include/stdlib.h               libc6-dev
test   apt  chromium                            chromium
test   apt  curl                                curl
test   apt  xset                                x11-xserver-utils
test   apt  xclip                               xclip
test   apt  xprop                               x11-utils
test   apt  systemd-analyze                     systemd
test   apt  mmdebstrap                          mmdebstrap
test   apt  /usr/bin/websockify                 websockify
test   apt  /usr/sbin/nginx                     nginx-light
test   apt  /usr/sbin/haproxy                   haproxy
test   apt  bindfs                              bindfs
test   apt  git                                 git
test   apt  rsync                               rsync
test   apt  vi                                  vim-tiny
test   apt  lintian                             lintian
test   apt  rpm                                 rpm
test   apt  rpmlint                             rpmlint
test   apt  cpio                                cpio
test   apt  /usr/bin/ansible-playbook           ansible-core
test   apt  /usr/bin/puppet                     puppet-agent
test   apt  gpg                                 gnupg
test   apt  createrepo_c                        createrepo-c
test   apt  apt-ftparchive                      apt-utils
test   apt  dnf                                 dnf
repository apt gpg                              gnupg
repository apt createrepo_c                     createrepo-c
repository apt apt-ftparchive                   apt-utils
repository apt rpmsign                          rpm
images apt  mmdebstrap                          mmdebstrap
run    dnf  Xvnc                                tigervnc-server-minimal
run    dnf  xauth                               xorg-x11-xauth
run    dnf  xterm                               xterm
run    dnf  openbox                             openbox
run    dnf  dbus-run-session                    dbus-daemon
run    dnf  /usr/share/X11/fonts/misc           xorg-x11-fonts-misc
run    dnf  /usr/share/fonts/dejavu-sans-fonts  dejavu-sans-fonts
test   dnf  gcc                                 gcc
test   dnf  /usr/include/stdlib.h               glibc-devel
test   dnf  chromium-browser                    chromium
test   dnf  curl                                curl
test   dnf  xset                                xset
test   dnf  xclip                               xclip
test   dnf  xprop                               xprop
test   dnf  xdpyinfo                            xdpyinfo
test   dnf  systemd-analyze                     systemd
test   dnf  mmdebstrap                          mmdebstrap
test   dnf  /usr/bin/websockify                 python3-websockify
test   dnf  /usr/sbin/nginx                     nginx
test   dnf  /usr/sbin/haproxy                   haproxy
test   dnf  bindfs                              bindfs
test   dnf  git                                 git
test   dnf  rsync                               rsync
test   dnf  vi                                  vim-minimal
test   dnf  rpm                                 rpm
test   dnf  rpmlint                             rpmlint
test   dnf  cpio                                cpio
test   dnf  /usr/bin/ansible-playbook           ansible-core
test   dnf  /usr/bin/puppet                     puppet
images dnf  mmdebstrap                          mmdebstrap'

dry_run=
if [[ ${1:-} == --dry-run ]]; then dry_run=1; shift; fi
target=${1:-}
case $target in
run | test | packages | repository | images) ;;
*) echo "usage: deps.sh [--dry-run] run|test|packages|repository|images" >&2; exit 2 ;;
esac

also=run
case $target in packages | repository | images) also=none ;; esac

fail() { printf '%s\n' "$@" >&2; exit 1; }

# do_it runs a command, or only prints it.
do_it() { if [[ $dry_run ]]; then echo "$*"; else "$@" >&2; fi; }

present() { if [[ $1 == /* ]]; then [[ -e $1 ]]; else command -v "$1" >/dev/null; fi; }

# missing prints the packages of which something is not there; what make run needs, make test needs too.
missing() {
	local for with probe package
	while read -r for with probe package; do
		case $for/$with in
		"$also/$manager" | "$target/$manager") present "$probe" || echo "$package" ;;
		esac
	done <<<"$table"
}

install_packages() {
	[[ ${#} -gt 0 ]] || return 0
	local update=() install=(dnf install -y --setopt=install_weak_deps=False "$@")
	if [[ $manager == apt ]]; then
		update=(apt-get update)
		install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@")
	fi
	if [[ $(id -u) != 0 && ! $dry_run ]]; then
		fail "make $target needs packages that are not installed. Run as root:" \
			"  ${update[*]:+${update[*]} && }${install[*]}"
	fi
	if ((${#update[@]})); then do_it "${update[@]}"; fi
	forbid_services
	do_it "${install[@]}"
	allow_services
}

# Debian starts each server that it installs, and tests want nginx and haproxy for themselves. The file that
# forbids it is left alone where there is one, as in container images.
policy=/usr/sbin/policy-rc.d

forbid_services() {
	[[ $manager == apt && ! -e $policy && ! $dry_run ]] || return 0
	trap allow_services EXIT
	printf '#!/bin/sh\n# made by %s; it may be removed\nexit 101\n' "$PWD/images/scripts/deps.sh" >"$policy"
	chmod 0755 "$policy"
	forbidden=1
}

allow_services() { if [[ ${forbidden:-} ]]; then rm -f "$policy" && forbidden=; fi; }

# unpack_novnc gets noVNC. Debian's package brings nodejs along, which nobody here
# needs, so it is unpacked below build/ instead of installed.
unpack_novnc() {
	local dir=build/novnc
	if [[ $dry_run ]]; then
		echo "apt-get download novnc && dpkg -x novnc_*.deb $dir"
		return
	fi
	local deb
	deb=$(mktemp -d)
	# shellcheck disable=SC2064 # the name as it is now
	trap "rm -rf '$deb'" EXIT
	(cd "$deb" && apt-get -q -o APT::Sandbox::User=root download novnc >&2) &&
		mkdir -p "$dir" &&
		dpkg -x "$deb"/novnc_*.deb "$dir"
}

get_novnc() {
	images/scripts/novnc-dir.sh >/dev/null && return
	if [[ $manager == apt ]]; then
		unpack_novnc || { [[ $(id -u) == 0 ]] && apt-get update >&2 && unpack_novnc; } || install_packages novnc
	else
		install_packages novnc
	fi
}

command -v go >/dev/null || fail "Go is not installed or not on PATH; go.mod says which version is needed."
if command -v apt-get >/dev/null; then
	manager=apt
elif command -v dnf >/dev/null; then
	manager=dnf
else
	manager=apt
	mapfile -t packages < <(missing)
	((${#packages[@]})) || exit 0
	fail "neither apt-get nor dnf is here; install what Debian calls: ${packages[*]} novnc"
fi

mapfile -t packages < <(missing)
install_packages "${packages[@]}"
get_novnc
[[ $dry_run ]] || mapfile -t packages < <(missing)
if [[ ! $dry_run ]] && ((${#packages[@]})); then
	fail "still missing after the installation: ${packages[*]} (on RHEL and its like some of them are in EPEL)"
fi
