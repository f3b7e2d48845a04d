#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Batches over MPI, as users run them: the same answers for any number of ranks and as of tern run,
# bad input, the loss of a rank, many prompts, several hosts.
#
#   mpi_test.sh PATH/TO/tern-mpi PATH/TO/tern PATH/TO/model.gguf PATH/TO/deploy
set -uo pipefail
tern_mpi=$1
tern=$2
model=$3
deploy=$4
scratch=$(mktemp -d)
failures=0
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 # more ranks than processors

cleanup() {
  rm -rf "$scratch"
  for host in "${namespaces[@]}"; do ip netns delete "$host"; done
}
namespaces=()
trap cleanup EXIT

fail() {
  echo "FAIL: $*"
  failures=$((failures + 1))
}

mpi() { # RANKS OPTION...
  local ranks=$1
  shift
  timeout 120 mpirun --bind-to none -n "$ranks" "$tern_mpi" --model "$model" --threads 1 "$@"
}

same() { # FILE FILE WORDS
  cmp -s "$1" "$2" || { fail "$3"; diff "$1" "$2" | head -4; }
}

# --- Any number of ranks ---

for i in $(seq 1 6); do
  echo "{\"id\": $i, \"prompt\": \"The story of number $i\", \"max_tokens\": $((10 + 3 * i))}"
done >"$scratch/in"
cat >>"$scratch/in" <<'END'

{"prompt": 5}
{"custom_id": "c", "method": "POST", "url": "/v1/completions", "body": {"prompt": "It was", "temperature": 0, "max_tokens": 9}}
END
for ranks in 1 2 4; do
  mpi "$ranks" --input "$scratch/in" --output "$scratch/out$ranks" --replicas 1 --use-all \
    --seed 100 >"$scratch/log" 2>&1 || { fail "$ranks ranks"; cat "$scratch/log"; }
done
mpi 4 --input "$scratch/in" --output "$scratch/outr" --replicas 2 --use-all --seed 100 \
  >"$scratch/log" 2>&1 || { fail "two replicas"; cat "$scratch/log"; }
same "$scratch/out1" "$scratch/out2" "2 ranks give other answers than 1"
same "$scratch/out1" "$scratch/out4" "4 ranks give other answers than 1"
same "$scratch/out1" "$scratch/outr" "2 replicas of 2 ranks give other answers than 1"
[ "$(wc -l <"$scratch/out1")" = 8 ] || fail "lines: $(cat "$scratch/out1")"

"$tern" run "$model" -p "The story of number 4" --max-tokens 22 --seed 104 --threads 1 2>/dev/null |
  sed -z 's/\n$//' >"$scratch/run"
sed -n 4p "$scratch/out1" | python3 -c '
import json, sys
sys.stdout.write(json.loads(sys.stdin.read())["text"])' >"$scratch/batch"
same "$scratch/run" "$scratch/batch" "tern run gives another text"
grep -q '"error":{"code":"INVALID_ARGUMENT".*"line":8' "$scratch/out1" || fail "no error line"

# Through pipes, in the order of the input.
mpi 2 --seed 100 <"$scratch/in" 2>/dev/null >"$scratch/piped" || fail "pipes"
same "$scratch/out1" "$scratch/piped" "pipes give other answers"

# --- What does not fit together ---

odd() { # A third rank has another model.
  timeout 60 mpirun --bind-to none -n 2 "$tern_mpi" --model "$model" --plan-only : \
    -n 1 "$tern_mpi" --model "$scratch/other.gguf" --plan-only >"$scratch/log" 2>&1
}
odd && fail "a rank without a model"
grep -q "rank 2: .*other.gguf" "$scratch/log" || fail "unnamed: $(cat "$scratch/log")"
cp "$model" "$scratch/other.gguf"
printf '\1' | dd of="$scratch/other.gguf" bs=1 seek=3000000 conv=notrunc 2>/dev/null
odd && fail "a rank with another model"
grep -q "rank 2 on .*: model: found .* as 2 of 3 ranks have" "$scratch/log" ||
  fail "unnamed: $(cat "$scratch/log")"
mpi 2 --input "$scratch/in" --output "$scratch/out2" --seed 101 >"$scratch/log" 2>&1 &&
  fail "went on with another seed"
grep -q "seed: found 100, want 101" "$scratch/log" || fail "settings: $(cat "$scratch/log")"
mpi 2 --plan-only >"$scratch/log" 2>/dev/null || fail "--plan-only"
grep -q "rank 0" "$scratch/log" || fail "plan: $(cat "$scratch/log")"

# --- A rank is killed in the middle; the same command goes on ---

for i in $(seq 1 20); do echo "{\"prompt\": \"Chapter $i\"}"; done >"$scratch/in"
long=(--input "$scratch/in" --max-tokens 40 --ignore-eos --replicas 1 --use-all --in-flight 2)
mpi 2 "${long[@]}" --output "$scratch/whole" >/dev/null 2>&1 || fail "the whole job"
mpi 2 "${long[@]}" --output "$scratch/torn" >"$scratch/log" 2>&1 &
job=$!
touch "$scratch/torn.journal"
exec 3< <(exec timeout 60 tail -n +1 -f "$scratch/torn.journal")
tail=$!
head -n 4 <&3 >/dev/null # the header and three answers
victim=$(grep -slz '^OMPI_COMM_WORLD_RANK=1$' /proc/[0-9]*/environ | cut -d/ -f3 |
  while read -r pid; do
    tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "$scratch/torn" && echo "$pid"
  done | head -n 1)
kill -9 "$victim" || fail "no rank to kill"
wait "$job" && fail "a job that lost a rank ends well"
kill "$tail" 2>/dev/null
[ -e "$scratch/torn" ] && fail "an output of half a job"
grep -qi "rank 1" "$scratch/log" || fail "nobody says which rank died: $(cat "$scratch/log")"
mpi 2 "${long[@]}" --output "$scratch/torn" >"$scratch/log" 2>&1 || fail "going on"
grep -q "answers are there already" "$scratch/log" || fail "began anew: $(cat "$scratch/log")"
same "$scratch/whole" "$scratch/torn" "going on gives other answers"

# --- Many prompts ---

seq 1 10000 | sed 's/.*/{"id": &, "prompt": "n&", "max_tokens": 1}/' >"$scratch/in"
mpi 2 --input "$scratch/in" --output "$scratch/many" >"$scratch/log" 2>&1 || fail "many prompts"
[ "$(grep -c '"completion_tokens":1' "$scratch/many")" = 10000 ] || fail "answers are missing"

# --- What it reports of itself, and the benchmark that reads it ---

keys() { # FILE KEY...: the JSON has numbers above 0 there.
  python3 - "$@" <<'END' || fail "$1: $(cat "$1")"
import json, sys
report = json.load(open(sys.argv[1]))
for path in sys.argv[2:]:
    value = report
    for key in path.split("."):
        value = value[int(key) if key.isdigit() else key]
    assert value > 0, path
END
}
mpi 2 --input "$scratch/in" --output "$scratch/many" --report "$scratch/report" \
  >"$scratch/log" 2>&1 || fail "--report"
keys "$scratch/report" ranks.1.peak_rss_bytes ranks.1.weight_bytes ranks.0.kv_bytes
"$tern" bench mpi "$model" --repeat 1 --streams 2 --tokens 4 --json "$scratch/bench.json" \
  >"$scratch/log" 2>&1 || { fail "bench mpi"; cat "$scratch/log"; }
keys "$scratch/bench.json" mpi_tokens_per_s.median workers_tokens_per_s.median ratio.median \
  hop_us.median hop_dim first_token_s.median ranks.0.peak_rss_bytes ranks.1.file_bytes
grep -q "start to first token" "$scratch/log" || fail "bench mpi says: $(cat "$scratch/log")"
PATH=/nowhere "$tern" bench mpi "$model" >"$scratch/log" 2>&1 && fail "bench mpi without mpirun"
grep -q "mpirun: No such file" "$scratch/log" || fail "no word of mpirun: $(cat "$scratch/log")"
cp "$tern" "$scratch/tern"
"$scratch/tern" bench mpi "$model" >"$scratch/log" 2>&1 && fail "bench mpi without tern-mpi"
grep -q "tern-mpi: not there" "$scratch/log" || fail "no word of tern-mpi: $(cat "$scratch/log")"

# --- Two hosts: network namespaces ---

head -n 20 "$scratch/in" >"$scratch/few"
head -n 20 "$scratch/many" >"$scratch/want"
left=tern-l$$ right=tern-r$$
if [ "$(id -u)" = 0 ] && command -v ip >/dev/null && ip netns add "$left" 2>/dev/null; then
  namespaces=("$left")
  ip netns add "$right" && namespaces+=("$right")
  ip -n "$left" link add eth0 type veth peer name eth0 netns "$right"
  ip -n "$left" address add 10.99.0.1/24 dev eth0
  ip -n "$right" address add 10.99.0.2/24 dev eth0
  for host in "${namespaces[@]}"; do
    ip -n "$host" link set lo up
    ip -n "$host" link set eth0 up
  done
  timeout 120 ip netns exec "$left" mpirun --bind-to none \
    --mca plm_rsh_agent "$deploy/mpi/netns-rsh" --host "$left,$right" -n 2 \
    "$tern_mpi" --model "$model" --input "$scratch/few" --output "$scratch/hosts" \
    --threads 1 --replicas 1 --use-all >"$scratch/log" 2>&1 || { fail "two hosts"; cat "$scratch/log"; }
  same "$scratch/want" "$scratch/hosts" "two hosts give other answers"
else
  echo "skipped: two hosts, as this needs root and network namespaces"
fi

exit $((failures > 0))
