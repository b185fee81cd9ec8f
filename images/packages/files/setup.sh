#!/bin/sh
# What the packages do alike on every distribution when they are installed, and what is to be done again when something
# was in the way then:
#
#	setup.sh common|node|transporter
#
# common is for all nodes, node for those that run sessions, which trust their own logins from then on.
set -eu

fx_role=${1:-common}
fx_again="/usr/lib/fastxd/setup.sh $fx_role"

fx_say() { echo "fastxd: $*" >&2; }

# fx_account makes the account fastx. One that is there is left as it is, whatever its numbers are.
fx_account() {
	getent passwd fastx >/dev/null && getent group fastx >/dev/null && return
	if command -v systemd-sysusers >/dev/null; then
		systemd-sysusers fastxd.conf && return
	fi
	getent group fastx >/dev/null || groupadd --system fastx
	getent passwd fastx >/dev/null || useradd --system --gid fastx --home-dir /var/lib/fastx --no-create-home \
		--comment "FastX cluster" --shell /bin/bash fastx
}

# fx_home makes the account's home, which useradd may and systemd-sysusers does not.
fx_home() {
	home=$(getent passwd fastx | cut -d: -f6)
	[ -d "$home" ] || install -d -m 0700 -o fastx -g fastx "$home" || fx_say "$home, the home of the account fastx, cannot be made"
}

# fx_mounted DIR reports whether DIR is what it is meant to be: a directory that is to be a mount and is none must not be
# filled, since the mount would hide it.
fx_mounted() {
	if command -v findmnt >/dev/null && findmnt --fstab --target "$1" >/dev/null 2>&1 &&
		[ "$(findmnt --fstab --noheadings --output TARGET --target "$1")" = "$1" ] &&
		! findmnt --kernel --raw --noheadings --output TARGET | grep -Fqx "$1"; then
		fx_say "$1 is in /etc/fstab and not mounted; mount it, then run: $fx_again"
		return 1
	fi
}

# fx_as runs a program as the account fastx: root may have no rights on a share, not even to look.
fx_as() { runuser -u fastx -- "$@"; }

# fx_directory DIR makes DIR for the account fastx where it is missing, and says when it cannot be used. It returns whether
# it can.
fx_directory() {
	fx_mounted "$1" || return
	if [ ! -d "$1" ] && ! fx_as test -d "$1" && ! install -d -m 0755 -o fastx -g fastx "$1"; then
		fx_say "$1 cannot be made; make it for the account fastx, then run: $fx_again"
		return 1
	fi
	owner=$(stat -c %u "$1" 2>/dev/null || fx_as stat -c %u "$1")
	if [ "$owner" != "$(id -u fastx)" ] && [ "$owner" != 0 ]; then
		fx_say "$1 belongs to uid $owner and the account fastx here has $(id -u fastx); give both one number (see /usr/lib/sysusers.d/fastxd.conf), then run: $fx_again"
		return 1
	fi
}

# fx_secret makes the transporter's secret and configuration where there are none.
fx_secret() {
	if [ -e /etc/fastx/transporter-secret.ini ] && [ -e /etc/fastx/nats-server.conf ]; then
		return
	fi
	code=0
	fx_as fastxctl secret new --config-dir /etc/fastx || code=$?
	case $code in
	0 | 5) return ;; # 5: another transporter was first, and this one has its secret
	esac
	fx_say "the transporter has no secret yet; mend what is said above, then run: $fx_again"
	return 1
}

# fx_trust lets this node's fastxd-launchd start sessions for those who sign in here. What an administrator has made of the
# directory of trusted keys afterwards is never changed.
fx_trust() {
	keys=/etc/fastx-launchd/keys.d
	if [ -d "$keys" ]; then return; fi
	code=0
	fx_node_directories && install -d -m 0755 /etc/fastx-launchd "$keys" && fastxctl key show --install >/dev/null || code=$?
	case $code in
	0 | 6) return ;; # 6: this node signs no tickets; those that it is to trust are put there by hand
	esac
	rmdir "$keys" /etc/fastx-launchd 2>/dev/null || :
	fx_say "no session can be started yet, since no key is trusted; mend what is said above, then run: $fx_again"
	return 1
}

# fx_node_directories makes what the unit would make at its first start.
fx_node_directories() {
	[ -d /var/lib/fastx-local ] || install -d -m 0700 -o fastx -g fastx /var/lib/fastx-local
}

fx_account || { fx_say "the account fastx cannot be made; make it, then run: $fx_again"; exit 1; }
if [ "$fx_role" = node ]; then
	fx_trust
	exit
fi
fx_home
fx_ok=0
fx_directory /etc/fastx || fx_ok=1
fx_directory /var/fastx || fx_ok=1
if [ "$fx_role" = transporter ] && [ "$fx_ok" = 0 ]; then
	fx_secret || fx_ok=1
fi
exit "$fx_ok"
