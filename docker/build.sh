#!/bin/sh
# Builds the image of the `python` tool's sandbox, unless it is there already.
#
# Where the base image cannot be pulled, the same is made of Debian bookworm by debootstrap (as root), with the packages
# installed by this machine's pip: apt's and pip's own settings say where both come from.
#
#   docker/build.sh                   FROM_DEBIAN=1 does not even try to pull; PYTHON=... names a Python that has pip
set -eu
cd "$(dirname "$0")/.."

say() { echo "docker/build.sh: $*"; }
fail() { say "$*" >&2; exit 1; }

image=$(sed -n 's/^IMAGE = "\(.*\)"$/\1/p' tools/sandbox/settings.py)
base=$(sed -n 's/^FROM //p' docker/sandbox/Dockerfile)
content=$(cat docker/build.sh docker/sandbox/Dockerfile docker/sandbox/requirements.txt | sha256sum | cut -c 1-16)
label=vista-rllib.sandbox.content

command -v docker >/dev/null || fail "there is no docker command: install Docker (Debian: apt-get install docker.io)"
docker info >/dev/null 2>&1 || fail "no Docker daemon answers: start one (dockerd), or join the group docker"

exec 9>"${TMPDIR:-/tmp}/vista-rllib-sandbox.lock"
flock 9
if [ "$(docker image inspect -f "{{index .Config.Labels \"$label\"}}" "$image" 2>/dev/null)" = "$content" ]; then
    say "$image is there"
    exit 0
fi

import_debian() {
    [ "$(id -u)" = 0 ] || fail "$base cannot be pulled, and debootstrap needs root: run this as root"
    command -v debootstrap >/dev/null || fail "$base cannot be pulled: apt-get install debootstrap, then run this again"
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)
    [ -n "$mirror" ] || fail "apt has no sources: debootstrap needs a Debian mirror"

    folder=$(mktemp -d)
    trap 'rm -rf --one-file-system "$folder"' EXIT
    python=${PYTHON:-.venv/bin/python}
    "$python" -m pip --version >/dev/null 2>&1 || python=python3
    if ! "$python" -m pip --version >/dev/null 2>&1; then
        python3 -m venv "$folder/pip" || fail "no Python with pip: name one, PYTHON=... docker/build.sh"
        python=$folder/pip/bin/python
    fi
    root=$folder/root packages=$folder/root/usr/local/lib/python3.11/dist-packages
    say "Debian bookworm"
    debootstrap --variant=minbase --include=python3 bookworm "$root" "$mirror" >"$folder/log" 2>&1 ||
        { tail -n 20 "$folder/log" >&2; fail "debootstrap failed"; }
    say "packages"
    "$python" -m pip install --quiet --target "$packages" --python-version 3.11 --only-binary :all: --no-deps \
        --no-compile -r docker/sandbox/requirements.txt
    chroot "$root" python3 -m compileall -q -j 0 -x /tests/ /usr/local/lib/python3.11/dist-packages ||
        say "some files do not compile; they would not in Python either"
    find "$root" -xdev -type f -perm /6000 -exec chmod a-s {} +
    mkdir -p "$root/work"
    chmod 1777 "$root/work"
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root/etc/apt/sources.list"
    : >"$root/etc/resolv.conf"
    : >"$root/etc/hostname"
    say "import"
    tar -C "$root" --one-file-system -c . | docker import --change "LABEL $label=$content" \
        --change 'USER 65532:65532' --change 'WORKDIR /work' - "$image" >/dev/null
}

if [ -z "${FROM_DEBIAN:-}" ] && timeout 300 docker pull -q "$base" >/dev/null 2>&1; then
    docker build --network host --label "$label=$content" -t "$image" docker/sandbox
else
    say "$base is not pulled: made of Debian packages instead"
    import_debian
fi
docker run --rm --network none -e MPLCONFIGDIR=/tmp "$image" python3 -c 'import cv2, matplotlib, numpy, pandas, PIL, sympy' ||
    { docker image rm "$image" >/dev/null; fail "the image does not work"; }
say "$image is built"
