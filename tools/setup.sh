# SPDX-License-Identifier: MIT
# Sourced by ./run and ./test: installs missing packages, configures and builds. Everything it says
# goes to stderr. A second call finds nothing to do.

packages=(
  g++ cmake ninja-build pkg-config
  libabsl-dev libcli11-dev libgmock-dev libgrpc++-dev libgtest-dev libhwloc-dev libopenmpi-dev
  libpcre2-dev libprotobuf-dev libspdlog-dev libssl-dev nlohmann-json3-dev openmpi-bin
  prometheus-cpp-dev protobuf-compiler protobuf-compiler-grpc
)
test_packages=( # for ./test
  g++-aarch64-linux-gnu qemu-user-static # a cross-compiler, an emulator
  iproute2 python3-grpcio python3-protobuf # hosts that are namespaces, a client in Python
  munge slurm-client slurmctld slurmd # a Slurm of the test's own; without slurm.conf none is started
)

say() { printf '%s\n' "$*" >&2; }

# install_packages YES [PACKAGE ...]: installs what is missing, of these too, with one apt-get line,
# asking first on a terminal unless YES is 1.
install_packages() {
  local yes=$1 package missing=() sudo=()
  for package in "${packages[@]}" "${@:2}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' ||
      missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  say "Missing packages. To install them:"
  say "  ${sudo[*]} apt-get install -y --no-install-recommends ${missing[*]}"
  if [ "$yes" != 1 ] && [ -t 0 ]; then
    local answer
    read -r -p "Install them now? [Y/n] " answer
    case $answer in [nN]*) say "Nothing was installed."; return 1 ;; esac
  fi
  local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get)
  if ! "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1; then
    "${apt[@]}" update >&2 # the lists may be old or absent
    "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >&2
  fi
}

# build PRESET [TARGET]: configures build/PRESET if need be and builds.
build() {
  local preset=$1 log
  mkdir -p "build/$preset"
  log=build/$preset/configure.log
  if [ ! -f "build/$preset/build.ninja" ]; then
    say "Configuring build/$preset"
    cmake --preset "$preset" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
  fi
  cmake --build "build/$preset" --target "${2-all}" >&2
}
