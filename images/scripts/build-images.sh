#!/usr/bin/env bash
# Builds fastx-kit/fastxd, fastx-kit/transporter and, for each suite, fastx-kit/node, and prints their names and sizes.
#
#	build-images.sh [VERSION]
#
# No registry is asked: bases are made with mmdebstrap, and packages are built here. The Dockerfiles are those of a
# docker build from a checkout. SUITES="bookworm trixie" builds nodes for fewer; PACKAGES=DIR takes packages from there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=${1:-$(images/scripts/version.sh)}
tag=${version//[~+]/-}
suites=(${SUITES-bullseye bookworm trixie})
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The context: packages in the place of sources.
context=$work/context
mkdir -p "$context/dist"
cp -r images "$context/"
packages=${PACKAGES:-}
if [[ -z $packages ]]; then
	ARCHITECTURES=$(go env GOHOSTARCH) images/scripts/build-packages.sh "$version" "$work/built" >&2
	packages=$work/built
fi
cp "$packages"/fastxd{,-core}_*_"$(go env GOHOSTARCH)".deb "$context/dist/"

# build NAME TAG [ARGUMENT...]
build() {
	local name=fastx-kit/$1:$2 old
	old=$(docker image inspect --format '{{.Id}}' "$name" 2>/dev/null) || old=
	docker build --quiet -f "$context/images/$1/Dockerfile" --build-arg "BUILDER=$builder" --build-arg "VERSION=$version" "${@:3}" \
		-t "$name" "$context" >/dev/null
	# What has lost its name to the new one is of no use to anybody, unless it is the same or runs.
	[[ -z $old || $old == "$(docker image inspect --format '{{.Id}}' "$name")" ]] || docker rmi "$old" >/dev/null 2>&1 || true
	docker image inspect --format "$name {{.Size}}" "$name" | awk '{ printf "%-50s %6.1f MB\n", $1, $2 / 1e6 }'
}

builder=$(images/scripts/base-image.sh)
build fastxd "$tag"
build transporter "$tag"
for suite in "${suites[@]}"; do
	base=$(images/scripts/base-image.sh "$suite" plain)
	build node "$tag-$suite" --build-arg "BASE=$base"
done
# The first stages are kept for a while, so that what has not changed is not done again.
docker image prune --force --filter label=fastx-kit.stage=build --filter until=1h >/dev/null
