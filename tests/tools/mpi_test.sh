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
  [ -n "$full" ] && umount "$full"
  rm -rf "$scratch"
  for host in "${namespaces[@]}"; do ip netns delete "$host"; done
}
namespaces=() full=""
trap cleanup EXIT

fail() {
  echo "FAIL: $*"
  failures=$((failures + 1))
}

# Against what hangs. How long anything takes is for no test to say.
bounded() { timeout 600 "$@"; }

mpi() { # RANKS OPTION...
  local ranks=$1
  shift
  bounded mpirun --bind-to none -n "$ranks" "$tern_mpi" --model "$model" --threads 1 "$@"
}

says() { # TEXT WORDS: the log has a line with that.
  grep -q "$1" "$scratch/log" || fail "$2: $(cat "$scratch/log")"
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
{"custom_id": "d", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4, "logprobs": true, "top_logprobs": 2, "return_token_ids": true}}
{"custom_id": "e", "method": "POST", "url": "/v1/chat/completions", "body": {}}
END
for ranks in 1 2 4 8; do # 6 layers
  mpi "$ranks" --input "$scratch/in" --output "$scratch/out$ranks" --replicas 1 --use-all \
    --seed 100 >"$scratch/log" 2>&1 || { fail "$ranks ranks"; cat "$scratch/log"; }
done
says "ranks 6, 7 have nothing to do" "nobody says who is idle"
mpi 4 --input "$scratch/in" --output "$scratch/outr" --replicas 2 --use-all --seed 100 \
  >"$scratch/log" 2>&1 || { fail "two replicas"; cat "$scratch/log"; }
same "$scratch/out1" "$scratch/out2" "2 ranks give other answers than 1"
same "$scratch/out1" "$scratch/out4" "4 ranks give other answers than 1"
same "$scratch/out1" "$scratch/out8" "8 ranks give other answers than 1"
same "$scratch/out1" "$scratch/outr" "2 replicas of 2 ranks give other answers than 1"
[ "$(wc -l <"$scratch/out1")" = 10 ] || fail "lines: $(cat "$scratch/out1")"
python3 - "$scratch/out1" <<'END' || fail "form of the answers: $(cat "$scratch/out1")"
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
assert [line["id"] for line in lines[:6]] == [1, 2, 3, 4, 5, 6]
plain, bad, completion, chat, wrong = lines[0], lines[6], lines[7], lines[8], lines[9]
assert plain["finish_reason"] == "length" and plain["usage"]["completion_tokens"] == 13, plain
assert bad["id"] == 8 and bad["error"]["line"] == 8, bad
assert completion["custom_id"] == "c" and completion["error"] is None, completion
assert completion["response"]["status_code"] == 200
assert completion["response"]["body"]["choices"][0]["text"], completion
assert chat["custom_id"] == "d" and chat["response"]["body"]["usage"]["completion_tokens"] == 4, chat
choice = chat["response"]["body"]["choices"][0]
assert choice["message"]["role"] == "assistant" and choice["message"]["content"], choice
assert len(choice["token_ids"]) == 4, choice
assert [len(token["top_logprobs"]) for token in choice["logprobs"]["content"]] == [2] * 4, choice
assert wrong["custom_id"] == "e" and wrong["response"] is None, wrong
assert wrong["error"]["code"] == "INVALID_ARGUMENT" and wrong["error"]["line"] == 11, wrong
END

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

# Who reads the answers stops early, while more of the input may come for ever. Nothing is on its way to
# mpirun then, which does not take that well.
mkfifo "$scratch/endless"
exec 4<>"$scratch/endless" # does not wait for who reads it
head -n 1 "$scratch/in" >&4
mpi 2 --input "$scratch/endless" --output - 2>"$scratch/log" | head -n 1 >"$scratch/first"
[ "${PIPESTATUS[0]}" = 0 ] && fail "answers that nobody reads"
says "output: nobody reads it any more" "no word of the reader"
[ -s "$scratch/first" ] || fail "no answer before the reader stopped"
exec 4>&-

# --- What does not fit together ---

odd() { # MODEL OPTION...: that of a third rank, options of all.
  local other=$1
  shift
  bounded mpirun --bind-to none -n 2 "$tern_mpi" --model "$model" --plan-only "$@" : \
    -n 1 "$tern_mpi" --model "$other" --plan-only "$@" >"$scratch/log" 2>&1
}
odd "$scratch/other.gguf" && fail "a rank without a model"
says "rank 2: .*other.gguf" "unnamed"
mkfifo "$scratch/never"
odd "$scratch/never" --start-timeout 5 && fail "a rank that opens its model for ever"
says "rank 2: nothing came from it within 5s" "unnamed"
bounded mpirun --bind-to none -n 1 "$tern_mpi" --model "$model" --plan-only --start-timeout 5 : \
  -n 1 cat "$scratch/never" >"$scratch/log" 2>&1 && fail "a rank that is something else"
says "the other ranks have not come within 5s" "no word of who is missing"
mpi 2 --no-such-option >"$scratch/log" 2>&1 && fail "an unknown option"
says "no-such-option" "no word of the unknown option"
cp "$model" "$scratch/other.gguf"
printf '\1' | dd of="$scratch/other.gguf" bs=1 seek=3000000 conv=notrunc 2>/dev/null
odd "$scratch/other.gguf" && fail "a rank with another model"
says "rank 2 on .*: model: found .* as 2 of 3 ranks have" "unnamed"
mpi 2 --input "$scratch/in" --output "$scratch/out2" --seed 101 >"$scratch/log" 2>&1 &&
  fail "went on with another seed"
says "seed: found 100, want 101" "settings"
mpi 1 --input "$scratch/in" --output "$scratch/in" --overwrite >"$scratch/log" 2>&1 &&
  fail "an output that is the input"
says "which is the input" "no word of the input"
[ -s "$scratch/in" ] || fail "the input is gone"
mpi 2 --plan-only >"$scratch/log" 2>/dev/null || fail "--plan-only"
says "rank 0" "plan"
if [ "$(nproc)" -gt 1 ]; then # The launcher binds it to one of them.
  bounded mpirun --bind-to core -n 1 "$tern_mpi" --model "$model" --plan-only >"$scratch/log" 2>&1
  says "binds each rank to .*--bind-to none" "no warning of the binding"
fi

# --- A rank is killed in the middle; the same command goes on ---

for i in $(seq 1 20); do echo "{\"prompt\": \"Chapter $i\"}"; done >"$scratch/in"
long=(--max-tokens 40 --ignore-eos --replicas 1 --use-all --in-flight 2)
mpi 2 "${long[@]}" --input "$scratch/in" --output "$scratch/whole" >/dev/null 2>&1 ||
  fail "the whole job"
# Of the input only half comes, and not its end: the job is in the middle for as long as need be.
mkfifo "$scratch/half"
mpi 2 "${long[@]}" --input "$scratch/half" --output "$scratch/torn" >"$scratch/log" 2>&1 &
job=$!
exec 4<>"$scratch/half" # does not wait for who reads it
head -n 10 "$scratch/in" >&4
touch "$scratch/torn.journal"
exec 3< <(exec timeout 600 tail -n +1 -f "$scratch/torn.journal")
tail=$!
head -n 4 <&3 >/dev/null # the header and three answers
victim=$(grep -slz '^OMPI_COMM_WORLD_RANK=1$' /proc/[0-9]*/environ | cut -d/ -f3 |
  while read -r pid; do
    tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "$scratch/torn" && echo "$pid"
  done | head -n 1)
kill -9 "$victim" || fail "no rank to kill"
wait "$job" && fail "a job that lost a rank ends well"
exec 4>&-
kill "$tail" 2>/dev/null
[ -e "$scratch/torn" ] && fail "an output of half a job"
grep -qi "rank 1" "$scratch/log" || fail "nobody says which rank died: $(cat "$scratch/log")"
printf '0badc0de 11 torn' >>"$scratch/torn.journal" # as a machine that went down may leave it
mpi 2 "${long[@]}" --input "$scratch/in" --output "$scratch/torn" >"$scratch/log" 2>&1 ||
  fail "going on"
says "answers are there already" "began anew"
says "cut off 16 bytes of a torn end" "no word of the torn end"
same "$scratch/whole" "$scratch/torn" "going on gives other answers"

# --- The disk is full in the middle; with more room the same command goes on ---

mkdir "$scratch/small"
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=4k tern "$scratch/small" 2>/dev/null; then
  full=$scratch/small
  on_small=("${long[@]}" --input "$scratch/in" --output "$full/out")
  mpi 2 "${on_small[@]}" >"$scratch/log" 2>&1 && fail "answers on a full disk"
  says "out.journal: cannot write: No space left on device" "no word of the disk"
  [ -e "$full/out" ] && fail "an output of half a job"
  mount -o remount,size=1m "$full"
  mpi 2 "${on_small[@]}" >"$scratch/log" 2>&1 || fail "going on with more room"
  says "answers are there already" "began anew"
  same "$scratch/whole" "$full/out" "going on after a full disk gives other answers"
else
  echo "skipped: a full disk, as this needs root and mounts"
fi

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
says "start to first token" "bench mpi"
PATH=/nowhere "$tern" bench mpi "$model" >"$scratch/log" 2>&1 && fail "bench mpi without mpirun"
says "mpirun: No such file" "no word of mpirun"
cp "$tern" "$scratch/tern"
"$scratch/tern" bench mpi "$model" >"$scratch/log" 2>&1 && fail "bench mpi without tern-mpi"
says "tern-mpi: not there" "no word of tern-mpi"

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
  bounded ip netns exec "$left" mpirun --bind-to none \
    --mca plm_rsh_agent "$deploy/mpi/netns-rsh" --host "$left,$right" -n 2 \
    "$tern_mpi" --model "$model" --input "$scratch/few" --output "$scratch/hosts" \
    --threads 1 --replicas 1 --use-all >"$scratch/log" 2>&1 || { fail "two hosts"; cat "$scratch/log"; }
  same "$scratch/want" "$scratch/hosts" "two hosts give other answers"
else
  echo "skipped: two hosts, as this needs root and network namespaces"
fi

exit $((failures > 0))
