#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Unpacks the libraries that the core needs, for arm64, into a folder to cross-compile against. The
# machine's own apt sources serve, with lists and cache in that folder: nothing is installed, the
# machine's package lists stay as they are, and no root is needed. A second call does nothing.
#
#   tools/aarch64_sysroot.sh build/aarch64-sysroot
set -euo pipefail

packages=(
  libabsl-dev libabsl20220623 libfmt-dev libfmt9 libgmock-dev libgtest-dev libhwloc-dev libhwloc15
  libpcre2-8-0 libpcre2-dev libspdlog-dev libspdlog1.10 libssl-dev libssl3 libudev1
  nlohmann-json3-dev
)

root=$1
stamp=$root/packages
if [ "$(cat "$stamp" 2>/dev/null)" = "${packages[*]}" ]; then exit 0; fi
rm -rf "$root"
mkdir -p "$root"/apt/{lists,cache,debs}
root=$(cd "$root" && pwd)
: >"$root/apt/status" # nothing is installed there

log=$root/apt/log
apt() {
  apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User= \
    -o Dir::State::Lists="$root/apt/lists" -o Dir::State::status="$root/apt/status" \
    -o Dir::Cache="$root/apt/cache" -o Acquire::Languages=none "$@" >>"$log" 2>&1
}
fail() {
  cat "$log" >&2
  printf 'arm64 packages: cannot get them from the apt sources of this machine; the log is above\n' >&2
  exit 1
}
apt update || true # a source that is not needed may fail: the next line tells
(cd "$root/apt/debs" && apt download "${packages[@]}") || fail
for deb in "$root"/apt/debs/*.deb; do dpkg-deb -x "$deb" "$root"; done
rm -rf "$root/apt"
printf '%s' "${packages[*]}" >"$stamp"
