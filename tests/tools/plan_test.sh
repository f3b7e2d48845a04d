#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What `tern plan` prints, against files in testdata/plan: a reader reviews them there.
# With TERN_REWRITE=1 in the environment the files are written instead of compared.
#
#   plan_test.sh PATH/TO/tern PATH/TO/testdata/plan
set -uo pipefail
tern=$1
data=$2
failures=0

# prints FILE FLAGS...: what `tern plan` prints is what FILE says.
prints() {
  local file=$data/$1
  shift
  if [[ ${TERN_REWRITE:-} == 1 ]]; then
    "$tern" plan "$@" >"$file" || failures=$((failures + 1))
  elif ! diff -u "$file" <("$tern" plan "$@" 2>&1); then
    echo "FAIL: tern plan $*"
    failures=$((failures + 1))
  fi
}

six=$data/six_boxes.json
thousand=$data/thousand_boxes.json
prints throughput.txt 100b --hosts "$six"
prints q8.txt 100b --hosts "$six" --kv q8
prints latency.txt 100b --hosts "$six" --objective latency --context 1024
prints latency_with_throughput.txt 70b --hosts "$six" --objective latency --streams 32 \
  --tokens-per-second 30 --context 1024
prints throughput.json 7b --hosts "$six" --streams 64 --context 1024 --json
prints simulation.txt bitnet-2b-4t --hosts "$six" --context 1024 --simulate --requests 500 \
  --streams 16 --jitter 0.1 --prompt-tokens 50-300 --output-tokens exp:100
prints simulation_of_arrivals.json bitnet-2b-4t --hosts "$six" --context 1024 --simulate \
  --requests 500 --rate 2 --seed 3 --json
prints thousand_boxes.txt 30b --hosts "$thousand" --replicas 125 --streams 2000 --context 1024 \
  --simulate --requests 4000 --jitter 0.1 --prompt-tokens 50-300 --output-tokens 20-100

exit $((failures > 0))
