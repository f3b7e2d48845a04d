#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Measures everything that docs/performance.md shows, into docs/performance/.
#
#   tools/plot/performance.sh MODEL.gguf [tern bench options]
#
# Takes build/release/bin/tern and $PYTHON (python3), which needs matplotlib.
set -euo pipefail
cd "$(dirname "$0")/../.."
model=$1
shift
out=docs/performance
mkdir -p "$out"
build/release/bin/tern bench "$model" --threads 1,2 --pp 512 --tg 64 --depth 0,4096 --batch 1,8,32 \
  --repeat 5 --json "$out/model.json" "$@" | tee "$out/model.txt"
build/release/bin/tern bench --kernels --threads 1,2 --json "$out/kernels.json" |
  tee "$out/kernels.txt"
"${PYTHON:-python3}" tools/plot/bench.py "$out/model.json" "$out"
