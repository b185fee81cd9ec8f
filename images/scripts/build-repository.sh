#!/usr/bin/env bash
# Makes a signed tree for apt and dnf out of the packages of dist/, to be served by any web server or from a share.
#
#	build-repository.sh [PACKAGES [TREE]]
#
# It is signed with the key in the file SIGNING_KEY (gpg --export-secret-keys --armor), whose passphrase, if any, is the
# first line of the file SIGNING_PASSPHRASE. Without one, a key for try-outs is made in build/repository-key and kept there.
# TREE, repository/ below PACKAGES unless said otherwise, is replaced when the new one is whole.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

packages=$(realpath "${1:-dist}")
tree=$(realpath -m "${2:-$packages/repository}")
scripts=$PWD/images/scripts

fail() { echo "build-repository.sh: $*" >&2; exit 1; }

for program in gpg apt-ftparchive createrepo_c rpmsign; do
	command -v "$program" >/dev/null || fail "$program is missing; run: images/scripts/deps.sh repository"
done
compgen -G "$packages/*.deb" >/dev/null && compgen -G "$packages/*.rpm" >/dev/null || fail "$packages holds no packages; run: make packages"

work=$(mktemp -d)
GNUPGHOME=$work/gnupg
export GNUPGHOME
cleanup() {
	gpgconf --kill all 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
install -d -m 0700 "$GNUPGHOME"

sign_options=(--batch --yes --pinentry-mode loopback)
[[ -z ${SIGNING_PASSPHRASE:-} ]] || sign_options+=(--passphrase-file "$(realpath "$SIGNING_PASSPHRASE")")

# try_out_key prints the file of a key that nobody else trusts, and makes it the first time.
try_out_key() {
	local file=$PWD/build/repository-key/key.asc
	if [[ ! -s $file ]]; then
		install -d -m 0700 "$(dirname "$file")"
		gpg --quiet --batch --passphrase '' --quick-generate-key "fastx-kit try-out repository" rsa3072 sign never
		(umask 077 && gpg --batch --export-secret-keys --armor >"$file.new" && mv "$file.new" "$file")
	fi
	echo "$file"
}

key_file=${SIGNING_KEY:-$(try_out_key)}
gpg --quiet "${sign_options[@]}" --import "$key_file" || fail "$key_file holds no key that can be used"
key=$(gpg --quiet --batch --no-auto-check-trustdb --with-colons --list-secret-keys | awk -F: '$1 == "fpr" { print $10; exit }')
[[ $key ]] || fail "$key_file holds no private key; export one with: gpg --export-secret-keys --armor"

sign() { gpg --quiet "${sign_options[@]}" --local-user "$key" "$@"; }

# deb makes pool/ and dists/stable/. Lists can be had under their digests as well, so that who reads while the tree is
# replaced reads what belongs together.
deb() {
	local arch dir list sum
	mkdir -p pool
	cp "$packages"/*.deb pool/
	for arch in amd64 arm64; do
		dir=dists/stable/main/binary-$arch
		mkdir -p "$dir"
		apt-ftparchive --arch "$arch" packages pool >"$dir/Packages"
		gzip -9nk "$dir/Packages"
	done
	apt-ftparchive \
		-o APT::FTPArchive::Release::Origin=fastx-kit -o APT::FTPArchive::Release::Label=fastx-kit \
		-o APT::FTPArchive::Release::Suite=stable -o APT::FTPArchive::Release::Codename=stable \
		-o "APT::FTPArchive::Release::Architectures=amd64 arm64" -o APT::FTPArchive::Release::Components=main \
		-o APT::FTPArchive::Release::Acquire-By-Hash=yes release dists/stable >"$work/Release"
	mv "$work/Release" dists/stable/Release
	for list in dists/stable/main/binary-*/Packages*; do
		sum=$(sha256sum "$list" | cut -d' ' -f1)
		install -D -m 0644 "$list" "$(dirname "$list")/by-hash/SHA256/$sum"
	done
	sign --clearsign --output dists/stable/InRelease dists/stable/Release
	sign --armor --detach-sign --output dists/stable/Release.gpg dists/stable/Release
}

# rpm makes rpm/ with signed packages and signed lists.
rpm() {
	mkdir -p rpm
	cp "$packages"/*.rpm rpm/
	rpmsign --addsign --define "__gpg $(command -v gpg)" --define "_gpg_name $key" \
		--define "_gpg_sign_cmd_extra_args ${sign_options[*]}" rpm/*.rpm >"$work/rpmsign" 2>&1 || fail "$(cat "$work/rpmsign")"
	createrepo_c --quiet --checksum sha256 rpm
	sign --armor --detach-sign --output rpm/repodata/repomd.xml.asc rpm/repodata/repomd.xml
}

new=$work/tree
mkdir "$new"
cd "$new"
gpg --batch --export "$key" >fastxd.gpg
gpg --batch --export --armor "$key" >fastxd.asc
deb
rpm
sed "s/@FINGERPRINT@/$key/" "$scripts/setup-fastxd.sh" >setup-fastxd.sh
chmod 0755 setup-fastxd.sh
mkdir -p "$(dirname "$tree")"
rm -rf "$tree.new"
cp -r "$new" "$tree.new"
chmod -R a+rX "$tree.new"
rm -rf "$tree"
mv "$tree.new" "$tree"
echo "$tree is signed with the key $key"
echo "on a machine: setup-fastxd.sh --repository $tree --role node"
