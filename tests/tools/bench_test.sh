#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# `tern bench` from end to end on a small model: everything runs, and says what it should. No speed
# is asked for.
#
#   bench_test.sh PATH/TO/tern PATH/TO/model.gguf
set -euo pipefail
tern=$1
model=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# expect FILE WORDS...: FILE has every one of WORDS.
expect() {
  local file=$1 words
  shift
  for words in "$@"; do
    grep -qF -- "$words" "$file" && continue
    echo "FAIL: '$words' not in:"
    sed 's/^/    /' "$file"
    exit 1
  done
}

"$tern" bench "$model" --threads 1,2 --cpuset none --pp 8 --tg 4 --depth 0,40 --batch 1,3 \
  --repeat 2 --chunk 16 --json "$scratch/a.json" >"$scratch/a.txt"
expect "$scratch/a.txt" "read GB/s" "int8 GMAC/s" "sync ns" "pp8" "tg4" "F16, screened" "commit"
expect "$scratch/a.json" '"test": "pp8"' '"test": "tg4"' '"batch": 3' '"depth": 40' \
  '"read_gb_per_s"' '"tokens_per_s"' '"limit_share"' '"peak_rss_bytes"'
results=$(grep -c '"test":' "$scratch/a.json")
[ "$results" = 10 ] || { echo "FAIL: found $results results, want 10"; exit 1; }

"$tern" bench --shape tiny --threads 1 --cpuset none --pp 0 --tg 2 --repeat 1 \
  --json "$scratch/b.json" >"$scratch/b.txt"
expect "$scratch/b.txt" "tiny (bitnet-b1.58)" "tg2"

"$tern" bench --limits --threads 1 --cpuset none --json "$scratch/c.json" >"$scratch/c.txt"
expect "$scratch/c.txt" "read GB/s"

"$tern" bench --kernels --filter gemv_ --tokens 1 --threads 1 --cpuset none >"$scratch/d.txt"
expect "$scratch/d.txt" "gemv_t2r16_portable" "6912"

"$tern" bench --list >"$scratch/e.txt"
expect "$scratch/e.txt" "probe_portable" "gemm_t2r16_portable" "yes"

"$tern" bench --compare "$scratch/a.json" "$scratch/a.json" >"$scratch/f.txt"
expect "$scratch/f.txt" "tg4, 2 threads, batch 1, depth 40" "1.000"
"$tern" bench --compare "$scratch/a.json" "$scratch/b.json" >"$scratch/g.txt"
expect "$scratch/g.txt" "note: different models"

"$tern" bench cluster "$model" --repeat 1 --streams 2 --tokens 4 --prompt 32 --long-prompt 64 \
  --many-streams 4 --idle-streams 20 --link-mbit 200 --json "$scratch/h.json" >"$scratch/h.txt" 2>"$scratch/h.log" || {
  cat "$scratch/h.log"
  exit 1
}
expect "$scratch/h.txt" "unix sockets" "TCP " "TCP at 200 Mbit/s" "Over links of 200 Mbit/s" \
  "as the planner expects" "engine" "20 streams that ask for nothing"
expect "$scratch/h.json" '"decode_of_expected"' '"link_us"' '"bare_us"' '"long_prompt_seconds"' \
  '"slow_link"' '"mbit": 200' '"link_share"' '"processor_share_without"'

"$tern" bench cluster "$model" --repeat 1 --streams 1 --tokens 4 --prompt 8 --long-prompt 0 \
  --many-streams 1 --idle-streams 0 --link-mbit 0 --json "$scratch/i.json" >"$scratch/i.txt" 2>"$scratch/i.log" || {
  cat "$scratch/i.log"
  exit 1
}
expect "$scratch/i.txt" "TCP "
grep -q "Mbit\|slow_link\|ask for nothing" "$scratch/i.txt" "$scratch/i.json" && {
  echo "FAIL: --link-mbit 0 has slow links, or --idle-streams 0 idle ones"
  exit 1
}

# Streams that could have all their tokens before the last begins are refused before anything runs.
"$tern" bench cluster "$model" --many-streams 1024 --prompt 8 --long-prompt 0 2>"$scratch/j.log" && {
  echo "FAIL: 1024 streams in a context of 1024 tokens"
  exit 1
}
expect "$scratch/j.log" "--tokens: found 48 while 1024 streams generate" "the context has 1024"
echo "all there"
