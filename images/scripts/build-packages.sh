#!/usr/bin/env bash
# Builds every package for every architecture into dist/, or DIR: the same bytes for the same commit.
#
#	build-packages.sh [VERSION [DIR]]
#
# Without a version it is the one that git describe knows, or 0.0.0 with the number and the name of the commit.
# ARCHITECTURES="amd64" builds for fewer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

names=(fastxd-core fastxd fastxd-nats fastxd-compat)
architectures=(${ARCHITECTURES:-amd64 arm64})

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C RELEASE=1
export MAINTAINER="fastx-kit maintainers <fastx-kit@users.noreply.github.com>"

# licenses prints the licence texts of everything that is linked into the programs, or shipped beside them.
licenses() {
	local module dir file found
	echo "The programs of this package contain the following works."
	while read -r module dir; do
		found=
		for file in "$dir"/{LICENSE,LICENCE,COPYING,NOTICE,License}{,.txt,.md}; do
			if [[ -f $file ]]; then
				found=1
				printf '\n%s\n=== %s, %s\n\n' "$(printf '=%.0s' {1..78})" "$module" "$(basename "$file")"
				cat "$file"
			fi
		done
		[[ $found ]] || { echo "$module has no licence text in $dir" >&2; return 1; }
	done < <(
		echo "Go $(go env GOROOT)"
		go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}}@{{.Version}} {{.Dir}}{{end}}{{end}}' ./daemon/cmd/... | sort -u
	)
	printf '\n%s\n=== noVNC\n\n' "$(printf '=%.0s' {1..78})"
	cat "$novnc_copyright"
}

copyright() {
	cat <<-END
		Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
		Upstream-Name: fastx-kit
		Source: https://github.com/fastx-kit/fastx-kit
		Comment: What other works the programs contain, and under which terms, is
		 listed in /usr/share/doc/fastxd-core/third-party-licenses.gz.

		Files: *
		Copyright: 2026 the fastx-kit authors
		License: Apache-2.0
		 On Debian systems the full text of the Apache License 2.0 is in
		 /usr/share/common-licenses/Apache-2.0.
	END
}

# changelog is the entry of this version as the packages' own formats want it; what is new stands in NEWS.gz.
changelog() {
	cat <<-END
		- semver: $VERSION-$RELEASE
		  date: $(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)
		  packager: $MAINTAINER
		  deb: {urgency: medium, distributions: [stable]}
		  changes: [{note: "Version $VERSION; see NEWS.gz for what is new."}]
	END
}

# documents makes what is the same for every architecture; the pages and completions come from the programs themselves.
documents() {
	local dir=$1 tools=$2 day
	day=$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)
	mkdir -p "$dir"/{man1,man8,launchd8,completion,doc}
	"$tools/fastxctl" man --date "$day" "$dir/man1"
	"$tools/fastxd" man --date "$day" "$dir/man8"
	"$tools/fastxd-launchd" man --date "$day" "$dir/launchd8"
	gzip -9n "$dir"/{man1,man8,launchd8}/*
	"$tools/fastxctl" completion bash >"$dir/completion/fastxctl.bash"
	"$tools/fastxctl" completion zsh >"$dir/completion/_fastxctl"
	"$tools/fastxctl" completion fish >"$dir/completion/fastxctl.fish"
	copyright >"$dir/doc/copyright"
	licenses | gzip -9n >"$dir/doc/third-party-licenses.gz"
	gzip -9nc CHANGELOG.md >"$dir/doc/NEWS.gz"
	changelog >"$dir/doc/changelog.yaml"
	mkdir "$dir/novnc"
	cp -r "$novnc"/{app,core,vendor} "$dir/novnc/"
	pam "$dir/pam"
}

# pam gives images/pam/SERVICE.FAMILY its name in /etc/pam.d.
pam() {
	local dir=$1 file name
	for file in images/pam/*.*; do
		name=$(basename "$file")
		install -D -m 0644 "$file" "$dir/${name##*.}/${name%.*}"
	done
}

compile() {
	CGO_ENABLED=0 GOARCH=$1 go build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$VERSION" -o "$2/" ./daemon/cmd/...
}

VERSION=${1:-$(images/scripts/version.sh)}
export VERSION
novnc=$(images/scripts/novnc-dir.sh) || { echo "noVNC is not here; run: images/scripts/deps.sh test" >&2; exit 1; }
novnc_copyright=$novnc/../doc/novnc/copyright
dist=${2:-dist}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$dist"
rm -f "$dist"/*.deb "$dist"/*.rpm
compile "$(go env GOHOSTARCH)" "$work/tools"
documents "$work/documents" "$work/tools"
for ARCH in "${architectures[@]}"; do
	STAGE=$work/$ARCH
	cp -r "$work/documents" "$STAGE"
	compile "$ARCH" "$STAGE"
	find "$STAGE" -exec touch --no-dereference -d "@$SOURCE_DATE_EPOCH" {} +
	find "$STAGE" -type f -exec chmod go-w,a+r {} +
	export ARCH STAGE
	for name in "${names[@]}"; do
		{ cat "images/packages/$name.yaml"; echo "changelog: $work/documents/doc/changelog.yaml"; } >"$work/$name.yaml"
		for form in deb rpm; do
			go tool nfpm package --config "$work/$name.yaml" --packager $form --target "$dist/${name}_${VERSION}_$ARCH.$form" >"$work/log" ||
				{ cat "$work/log" >&2; exit 1; }
		done
	done
done
(cd "$dist" && ls -sh -- *.deb *.rpm)
