#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Bad input on the command line: each case must exit non-zero, by itself, with the expected words.
#
#   bad_input_test.sh PATH/TO/tern PATH/TO/model.gguf
set -uo pipefail
tern=$1
model=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0

# refuse WORDS COMMAND...: COMMAND fails (not by a signal, not by the time limit) and says WORDS.
refuse() {
  local words=$1 status
  shift
  timeout 60 "$@" >"$scratch/out" 2>&1 </dev/null
  status=$?
  if ((status == 0 || status >= 124)); then
    echo "FAIL: exit status $status: $*"
    failures=$((failures + 1))
  elif ! grep -q -- "$words" "$scratch/out"; then
    echo "FAIL: '$words' not in the output of: $*"
    failures=$((failures + 1))
  else
    return
  fi
  sed 's/^/    /' "$scratch/out"
}

refuse "subcommand" "$tern"
refuse "no-such-flag" "$tern" run "$model" -p x --no-such-flag
refuse "no-such-flag" "$tern" generate x --no-such-flag
refuse "max-tokens" "$tern" run "$model" -p x --max-tokens many
refuse "temperature" "$tern" run "$model" -p x --temperature -1
refuse "top_p" "$tern" run "$model" -p x --top-p 2
refuse "kernel" "$tern" run "$model" -p x --kernel mmx
refuse "prompt" "$tern" run "$model" -p ""

# Files.
refuse "no-such-file" "$tern" run "$scratch/no-such-file" -p x
refuse "no-such-file" "$tern" inspect "$scratch/no-such-file"
refuse "no-such-file" "$tern" worker --coordinator 127.0.0.1:1 --model "$scratch/no-such-file"
head -c 100000 "$model" >"$scratch/truncated.gguf"
refuse "truncated.gguf" "$tern" run "$scratch/truncated.gguf" -p x
refuse "truncated.gguf" "$tern" inspect "$scratch/truncated.gguf"
refuse "truncated.gguf" "$tern" serve --model "$scratch/truncated.gguf" --listen 127.0.0.1:0
printf 'not a model' >"$scratch/text.gguf"
refuse "GGUF" "$tern" inspect "$scratch/text.gguf"
sed 's/bitnet-b1.58/bitnet-b9.99/g' "$model" >"$scratch/architecture.gguf"
refuse "bitnet-b9.99" "$tern" run "$scratch/architecture.gguf" -p x

# Output that goes nowhere.
refuse "standard output" bash -c "'$tern' inspect '$model' >/dev/full"
refuse "standard output" bash -c "'$tern' tokenize '$model' truth >/dev/full"

# A prompt that the context cannot hold.
yes "It is a truth" | head -c 100000 >"$scratch/long.txt"
refuse "context" bash -c "'$tern' run '$model' -p - <'$scratch/long.txt'"

# A model that does not fit.
refuse "memory" "$tern" run "$model" -p x --memory 1MiB
refuse "stages" "$tern" run "$model" -p x --stages 7

# Plans.
refuse "no-such-file" "$tern" plan tiny --hosts "$scratch/no-such-file"
refuse "want one of" "$tern" plan 9000b --hosts "$scratch/no-such-file"
echo '{"hosts": [{"name": "box"}]}' >"$scratch/hosts.json"
refuse "memory_gib: it is missing" "$tern" plan tiny --hosts "$scratch/hosts.json"
cat >"$scratch/hosts.json" <<END
{"hosts": [{"name": "box", "cores": 8, "int8_gmacs_per_core": 60, "read_gb_per_s": 40,
            "memory_gib": 4, "link_gbit": 10, "link_latency_us": 60}]}
END
refuse "memory: weights need" "$tern" plan 100b --hosts "$scratch/hosts.json"
refuse "tokens a second: found at most" "$tern" plan tiny --hosts "$scratch/hosts.json" \
  --tokens-per-second 1e12
refuse "context" "$tern" plan tiny --hosts "$scratch/hosts.json" --context 100000
refuse "replicas" "$tern" plan tiny --hosts "$scratch/hosts.json" --replicas 2
refuse "exp:MEAN" "$tern" plan tiny --hosts "$scratch/hosts.json" --prompt-tokens 0-5
refuse "jitter" "$tern" plan tiny --hosts "$scratch/hosts.json" --simulate --jitter 1

# Synthetic models.
refuse "9000B" "$tern" synth --shape 9000B --out "$scratch/x.gguf"
refuse "no-such-dir" "$tern" synth --shape tiny --out "$scratch/no-such-dir/x.gguf"
touch "$scratch/there.gguf"
refuse "there.gguf" "$tern" synth --shape tiny --out "$scratch/there.gguf"

# Benchmarks.
refuse "nothing to do" "$tern" bench
refuse "no-such-file" "$tern" bench "$scratch/no-such-file"
refuse "9000B" "$tern" bench --shape 9000B
refuse "--shape" "$tern" bench "$model" --shape tiny
refuse "threads" "$tern" bench --limits --threads 0
refuse "want --pp or --tg" "$tern" bench "$model" --pp 0 --tg 0
refuse "llama9" "$tern" bench --kernels --matrices llama9
refuse "no-such-file" "$tern" bench --compare "$scratch/no-such-file" "$scratch/no-such-file"
refuse "text.gguf" "$tern" bench --compare "$scratch/text.gguf" "$scratch/text.gguf"

# Addresses.
refuse "context: found 1000000, want at most" "$tern" serve --model "$model" --listen 127.0.0.1:0 --context 1000000
refuse "insecure" "$tern" serve --model "$model" --listen 0.0.0.0:0
refuse "listen" "$tern" serve --model "$model" --listen nonsense
refuse "127.0.0.1:1" "$tern" generate x --coordinator 127.0.0.1:1
refuse "cpuset" "$tern" worker --coordinator 127.0.0.1:1 --cpuset everything

((failures == 0)) && echo "all refused"
exit "$failures"
