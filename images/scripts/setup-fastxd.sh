#!/bin/sh
# Adds the repository that this script lies in to a machine, and installs what it is to be in a cluster.
#
#	setup-fastxd.sh --repository DIRECTORY|URL --role node|transporter|gateway [--fingerprint KEY] [--yes]
#
# It may be run again: what is there already stays as it is, and what has changed is brought up to date.
set -eu

usage() {
	cat <<'END'
setup-fastxd.sh --repository DIRECTORY|URL --role ROLE [--fingerprint KEY] [--yes]

Adds the repository to apt or dnf, and installs:

  --role node         the daemon, an X server and what starts sessions as their users
  --role transporter  the transporter, over which the nodes of a cluster talk
  --role gateway      the daemon alone, which serves the page and starts no sessions

  --repository        the directory, or http(s) URL, that holds dists/, rpm/ and fastxd.gpg
  --fingerprint KEY   the key that has to have signed it (default: the one this script was
                      published with); compare it with what its publisher says elsewhere
  --yes               ask nothing

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the repository is not what the key has signed.
END
}

say() { echo "setup-fastxd.sh: $*" >&2; }
fail() { code=$1; shift; say "$@"; exit "$code"; }

repository='' role='' fingerprint='@FINGERPRINT@' yes=''
while [ $# -gt 0 ]; do
	case $1 in
	--repository | --role | --fingerprint)
		[ $# -gt 1 ] || fail 2 "$1 needs a value; see --help"
		case $1 in
		--repository) repository=$2 ;;
		--role) role=$2 ;;
		--fingerprint) fingerprint=$(printf %s "$2" | tr -d ' :' | tr a-f A-F) ;;
		esac
		shift 2
		;;
	--yes) yes=1; shift ;;
	--help | -h) usage; exit 0 ;;
	*) fail 2 "$1 is not known here; see --help" ;;
	esac
done

case $role in
node) package=fastxd ;;
transporter) package=fastxd-nats ;;
gateway) package=fastxd-core ;;
'') fail 2 "say with --role what this machine is to be: node, transporter or gateway" ;;
*) fail 2 "--role $role is none of node, transporter, gateway" ;;
esac
case $repository in
http://* | https://*) repository=${repository%/} ;;
'') fail 2 "say with --repository where the packages are: a directory, or an http(s) URL" ;;
*://*) fail 2 "--repository $repository: only http and https, or a directory" ;;
*)
	[ -d "$repository" ] || fail 1 "--repository $repository is no directory; mount it, or give a URL"
	repository=file://$(cd "$repository" && pwd)
	;;
esac
case $fingerprint in
*[!0-9A-F]* | '') fail 2 "this copy of the script names no key; give the fingerprint of the repository's with --fingerprint" ;;
esac
[ ${#fingerprint} -ge 40 ] || fail 2 "--fingerprint: a whole fingerprint has 40 digits or more, and a part of one can be forged"
[ "$(id -u)" = 0 ] || fail 1 "only root can install packages; run: sudo $0 ..."
if command -v apt-get >/dev/null && [ -d /etc/apt ]; then
	family=apt release=dists/stable/Release signature=dists/stable/Release.gpg
elif command -v dnf >/dev/null; then
	family=dnf release=rpm/repodata/repomd.xml signature=rpm/repodata/repomd.xml.asc
else
	fail 1 "there is neither apt-get nor dnf here; install the packages from $repository by hand"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fetch NAME FILE gets a file of the repository, with whatever there is.
fetch() {
	case $repository in
	file://*) cp "${repository#file://}/$1" "$2" 2>"$work/why" ;;
	*)
		if command -v curl >/dev/null; then
			curl --fail --silent --show-error --location --output "$2" "$repository/$1" 2>"$work/why"
		elif command -v wget >/dev/null; then
			wget --quiet --output-document "$2" "$repository/$1" 2>"$work/why"
		else
			/usr/lib/apt/apt-helper download-file "$repository/$1" "$2" >"$work/why" 2>&1
		fi
		;;
	esac || fail 1 "$1 cannot be had from $repository: $(tail -n 1 "$work/why")"
}

# verify sees that the repository is signed, and with the key that was named.
verify() {
	gpgv=$(command -v gpgv || command -v gpgv2) || fail 1 "gpgv is missing; install the package gpgv (Debian) or gnupg2 (RHEL)"
	fetch fastxd.gpg "$work/fastxd.gpg"
	fetch fastxd.asc "$work/fastxd.asc"
	fetch "$release" "$work/release"
	fetch "$signature" "$work/signature"
	"$gpgv" --status-fd 1 --keyring "$work/fastxd.gpg" "$work/signature" "$work/release" >"$work/status" 2>"$work/why" ||
		fail 3 "$repository: $release does not bear the signature of the key beside it: $(tail -n 1 "$work/why"); do not use this repository"
	# The last word of a good signature is the fingerprint of the primary key.
	signer=$(sed -n 's/^\[GNUPG:\] VALIDSIG .* //p' "$work/status")
	[ "$signer" = "$fingerprint" ] ||
		fail 3 "$repository is signed with the key $signer, and $fingerprint was expected; compare both with what its publisher says, and do not use it unless they agree"
}

ask() {
	[ -z "$yes" ] || return 0
	[ -t 0 ] || fail 2 "nobody can be asked here; say --yes"
	printf 'Install %s from %s, signed with %s? [y/N] ' "$package" "$repository" "$fingerprint" >&2
	read -r answer
	case $answer in
	[yY]*) ;;
	*) fail 1 "nothing was changed" ;;
	esac
}

# put FILE TO writes a file whole, where it is not there as it is.
put() {
	cmp -s "$1" "$2" && return
	install -D -m 0644 "$1" "$2.new" && mv "$2.new" "$2"
}

with_apt() {
	put "$work/fastxd.gpg" /etc/apt/keyrings/fastxd.gpg
	cat >"$work/sources" <<-END
		# Written by setup-fastxd.sh.
		Types: deb
		URIs: $repository
		Suites: stable
		Components: main
		Signed-By: /etc/apt/keyrings/fastxd.gpg
	END
	put "$work/sources" /etc/apt/sources.list.d/fastxd.sources
	apt-get --quiet=2 -o Dir::Etc::sourcelist=sources.list.d/fastxd.sources -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 \
		--error-on=any update || {
		rm -f /etc/apt/sources.list.d/fastxd.sources
		fail 3 "apt refuses the repository, for what it says above; it was not added"
	}
	DEBIAN_FRONTEND=noninteractive apt-get --quiet=2 --yes --no-install-recommends install "$package" ||
		fail 1 "$package cannot be installed; what apt says stands above (are the distribution's own lists there? run: apt-get update)"
}

with_dnf() {
	put "$work/fastxd.asc" /etc/pki/rpm-gpg/RPM-GPG-KEY-fastxd
	cat >"$work/repo" <<-END
		# Written by setup-fastxd.sh.
		[fastxd]
		name=fastx-kit
		baseurl=$repository/rpm
		enabled=1
		gpgcheck=1
		repo_gpgcheck=1
		gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-fastxd
	END
	put "$work/repo" /etc/yum.repos.d/fastxd.repo
	rpm --import /etc/pki/rpm-gpg/RPM-GPG-KEY-fastxd
	dnf --assumeyes install "$package" || fail 1 "$package cannot be installed; what dnf says stands above"
}

# gateway keeps a machine that serves the page from running anything else, where nobody has said what it runs.
gateway() {
	[ ! -e /usr/libexec/fastxd/fastxd-launchd ] ||
		fail 1 "the package fastxd is here, which makes this a machine that runs sessions; remove it first, or choose --role node"
	if ! grep -qs '^SERVICES=' /etc/default/fastx4; then
		echo 'SERVICES=webserver' >>/etc/default/fastx4
		say "/etc/default/fastx4 says SERVICES=webserver now"
	fi
}

verify
ask
if [ "$role" = gateway ]; then gateway; fi
with_$family
case $role in
node) say "done; write /etc/fastx (fastxctl init, or what your cluster has), then: systemctl enable --now fastxd; fastxctl status" ;;
transporter) say "done; see: systemctl status fastxd-transporter; fastxctl status --transporter" ;;
gateway) say "done; bring /etc/fastx here, then: systemctl enable --now fastxd" ;;
esac
