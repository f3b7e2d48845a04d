#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A client in another language, of stubs that are made here from the published .proto: it streams
# the text that `tern run` prints.
#
#   python_client_test.sh PATH/TO/tern MODEL SOURCES
#
# Ends with 77, with a reason, if Python has no gRPC.
set -euo pipefail
tern=$1 model=$2 sources=$3
python=/usr/bin/python3
if ! "$python" -c 'import grpc, google.protobuf' 2>/dev/null; then
  echo "SKIPPED: $python has no gRPC (Debian: python3-grpcio, python3-protobuf)"
  exit 77
fi
scratch=$(mktemp -d)
pids=()
stop() {
  trap - EXIT
  kill "${pids[@]}" 2>/dev/null || true
  wait
  rm -rf "$scratch"
}
trap stop EXIT

protoc -I "$sources" --python_out="$scratch" --grpc_python_out="$scratch" \
  --plugin=protoc-gen-grpc_python="$(command -v grpc_python_plugin)" proto/inference.proto

# The coordinator writes its port into a pipe once it listens; should it end before that, the second
# process writes an empty line.
mkfifo "$scratch/port"
exec 3<>"$scratch/port"
"$tern" serve --model "$model" --workers 1 --listen 127.0.0.1:0 --port-file "$scratch/port" \
  >"$scratch/serve.log" 2>&1 &
pids+=($!)
(tail --pid="${pids[0]}" -f /dev/null; echo >&3) &
pids+=($!)
read -r port <&3
[ -n "$port" ] || { cat "$scratch/serve.log"; exit 1; }
"$tern" worker --coordinator "127.0.0.1:$port" --cpuset none --threads 1 \
  >"$scratch/worker.log" 2>&1 &
pids+=($!)
"$tern" generate --coordinator "127.0.0.1:$port" --wait 60 -n 1 "Wait" >/dev/null

prompt="It is a truth universally acknowledged, that"
"$tern" run "$model" --prompt "$prompt" --temperature 0 -n 24 2>/dev/null >"$scratch/want"
"$python" "$sources/tests/tools/python_client.py" "$scratch" "127.0.0.1:$port" "$prompt" 24 \
  >"$scratch/found" 2>"$scratch/said"
cat "$scratch/said"
diff "$scratch/want" <(cat "$scratch/found"; echo) ||
  { echo "FAIL: want the first, found the second"; exit 1; }
grep -qx "24 messages, 24 tokens, length, no token wanted: INVALID_ARGUMENT" "$scratch/said"
