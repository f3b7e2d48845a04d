#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A cluster of four hosts as users have it, each a network namespace with an address of its own: a
# coordinator and three workers that share neither files nor sockets. Over the plain network, over
# 100 Mbit/s, with one link of 2 Mbit/s and with one host at half its speed, the text is the one
# that `tern run` prints; `tern plan --cluster` shows the links as they were measured.
#
#   hosts_test.sh PATH/TO/tern MODEL
#
# Ends with 77, with a reason, where namespaces cannot be made.
set -euo pipefail
tern=$1 model=$2
hosts=3
net=10.77.0
prompt="It is a truth universally acknowledged, that"
scratch=$(mktemp -d)
id=tern$$
quota=/sys/fs/cgroup/cpu/$id # control groups, version 1
pids=()

stop() {
  trap - EXIT
  ((${#pids[@]})) && kill "${pids[@]}" 2>/dev/null
  wait
  for ((i = 0; i <= hosts; i++)); do ip netns del "$id-$i" 2>/dev/null; done
  [ -d "$quota" ] && rmdir "$quota"
  rm -rf "$scratch"
}
trap stop EXIT

say() { printf '%s\n' "$*"; }
fail() {
  say "FAIL: $*"
  tail -n 20 "$scratch"/*.log
  exit 1
}

# on HOST COMMAND...: runs it there. 0 is the coordinator's.
on() { ip netns exec "$id-$1" "${@:2}"; }

if ! why=$(ip netns add "$id-0" 2>&1); then
  say "SKIPPED: no network namespaces here: $why"
  exit 77
fi

# Every host has one network card, eth0; all hang on a bridge in the coordinator's namespace.
on 0 ip link add br0 type bridge
on 0 ip address add "$net.1/24" dev br0
on 0 ip link set br0 up
on 0 ip link set lo up
for ((i = 1; i <= hosts; i++)); do
  ip netns add "$id-$i"
  on 0 ip link add "port$i" type veth peer name eth0 netns "$id-$i"
  on 0 ip link set "port$i" master br0 up
  on "$i" ip address add "$net.$((i + 1))/24" dev eth0
  on "$i" ip link set eth0 up
  on "$i" ip link set lo up
done

# rate HOST RATE: what its network card does, in both directions.
rate() {
  on "$1" tc qdisc replace dev eth0 root tbf rate "$2" burst 64kb latency 500ms
  on 0 tc qdisc replace dev "port$1" root tbf rate "$2" burst 64kb latency 500ms
}

# The coordinator's model lies where the workers do not see it: it comes to them over the network.
mkdir "$scratch/served"
cp "$model" "$scratch/served/model.gguf"
apart='mount -t tmpfs none "$0" && exec "$@"'

coordinator=$net.1:7000
# (Started without a function, which would be a process of its own: to be killed by their number.)
ip netns exec "$id-0" "$tern" serve --model "$scratch/served/model.gguf" --workers "$hosts" --listen "$coordinator" --insecure \
  >"$scratch/serve.log" 2>&1 &
pids+=($!)
for ((i = 1; i <= hosts; i++)); do
  unshare --mount sh -c "$apart" "$scratch/served" ip netns exec "$id-$i" \
    "$tern" worker --coordinator "$coordinator" --listen "$net.$((i + 1)):0" --insecure --name "host-$i" --host "host-$i" --cpuset none --threads 1 --cache-dir "$scratch/cache-$i" \
    >"$scratch/worker-$i.log" 2>&1 &
  pids+=($!)
done

"$tern" run "$model" --prompt "$prompt" --temperature 0 -n 24 2>/dev/null >"$scratch/want"
# generates WHAT: the text of a request from the first worker's host is what it has to be.
generates() {
  on 1 "$tern" generate --coordinator "$coordinator" --wait 60 "$prompt" --temperature 0 -n 24 \
    >"$scratch/found" 2>"$scratch/generate.log" || fail "$1: generate"
  diff "$scratch/want" "$scratch/found" || fail "$1: another text than that of tern run"
  say "$1: $(tail -n 1 "$scratch/generate.log")"
}

generates "four hosts"
on 2 "$tern" plan "$model" --cluster "$coordinator" --context 256 --use-all >"$scratch/plan.log" 2>&1 ||
  fail "plan"
for ((i = 1; i <= hosts; i++)); do
  grep -q "host-$i" "$scratch/plan.log" || fail "plan: host-$i is missing"
done

for ((i = 1; i <= hosts; i++)); do rate "$i" 100mbit; done
generates "100 Mbit/s"
rate 2 2mbit
generates "one link of 2 Mbit/s"

if mkdir "$quota" 2>/dev/null && echo 50000 >"$quota/cpu.cfs_quota_us"; then
  echo "${pids[3]}" >"$quota/cgroup.procs"
  generates "one host at half its speed"
  echo "${pids[3]}" >/sys/fs/cgroup/cpu/cgroup.procs
else
  say "SKIPPED: a host at half its speed: no control groups for processors here"
fi
