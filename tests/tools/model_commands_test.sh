#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The commands that look at models, as a user types them: what they print, and the same digits for
# every number of threads and every instruction set.
#
#   model_commands_test.sh PATH/TO/tern PATH/TO/model.gguf PATH/TO/golden/models PATH/TO/text
set -uo pipefail
tern=$1
model=$2
golden=$3
text=$4
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0

fail() {
  echo "FAIL: $*"
  failures=$((failures + 1))
}

# prints TEXT COMMAND...: COMMAND's output is TEXT.
prints() {
  local want=$1 found
  shift
  found=$("$@" 2>"$scratch/error" </dev/null) || fail "exit status $?: $*: $(cat "$scratch/error")"
  [ "$found" = "$want" ] || fail "found '$found', want '$want': $*"
}

# says WORDS COMMAND...: COMMAND succeeds and WORDS are in its output.
says() {
  local words=$1
  shift
  "$@" >"$scratch/out" 2>&1 </dev/null || fail "exit status $?: $*"
  grep -q -- "$words" "$scratch/out" || fail "'$words' not in the output of: $*: $(cat "$scratch/out")"
}

# refuses WORDS COMMAND...: COMMAND fails and says WORDS.
refuses() {
  local words=$1
  shift
  "$@" >"$scratch/out" 2>&1 </dev/null && fail "no error: $*"
  grep -q -- "$words" "$scratch/out" || fail "'$words' not in the output of: $*: $(cat "$scratch/out")"
}

# Tokens: on one line, bos only where asked for, and back.
hello="39 696 78 220 27 91 68 301 62 317 91 29 1069"
prints "$hello" "$tern" tokenize "$model" "Hello <|eot_id|> world"
prints "4093 39 696 78 220 4095 1069" "$tern" tokenize "$model" "Hello <|eot_id|> world" --special
prints "" "$tern" tokenize "$model" ""
printf 'Hello <|eot_id|> world' >"$scratch/hello.txt"
prints "$hello" "$tern" tokenize "$model" --file "$scratch/hello.txt"
prints "Hello <|eot_id|> world" "$tern" detokenize "$model" $hello
prints "Hello  world" "$tern" detokenize "$model" 4093 39 696 78 220 4095 1069
prints "<|begin_of_text|>Hello" "$tern" detokenize "$model" --special 4093 39 696 78
refuses "want one or --file" "$tern" tokenize "$model"
refuses "found 4096, want below 4096" "$tern" detokenize "$model" 4096
refuses "want whole numbers" "$tern" detokenize "$model" one

# Perplexity, logits and scores do not depend on how they are computed.
head -c 6000 "$text" >"$scratch/text"
perplexity() {
  "$tern" perplexity "$model" "$scratch/text" --ctx 64 "$@" 2>/dev/null | sed 's/; .*//'
}
want=$(perplexity --threads 1)
case $want in
  "perplexity "*" +- "*" nats a token over "*" tokens, context 64") ;;
  *) fail "perplexity printed '$want'" ;;
esac
"$tern" logits "$model" --tokens 1,2,3,4,5 --out "$scratch/want.npy" --threads 1
for how in "--threads 2" "--threads 3" "--kernel portable"; do
  [ "$(perplexity $how)" = "$want" ] || fail "perplexity differs with $how"
  "$tern" logits "$model" --tokens 1,2,3,4,5 --out "$scratch/found.npy" $how
  cmp "$scratch/found.npy" "$scratch/want.npy" || fail "logits differ with $how"
done
[ "$(stat -c %s "$scratch/want.npy")" = $((128 + 5 * 4096 * 4)) ] || fail "size of the .npy file"
head -c 100 "$scratch/want.npy" | grep -q "'descr': '<f4'.*'shape': (5, 4096)" || fail ".npy header"
echo 1 2 3 4 5 >"$scratch/ids"
"$tern" logits "$model" --file "$scratch/ids" --positions last --out "$scratch/last.npy"
cmp <(tail -c 16384 "$scratch/last.npy") <(tail -c 16384 "$scratch/want.npy") || fail "the last row"
refuses "found 4096, want 0 to 4095" "$tern" logits "$model" --tokens 4096 --out "$scratch/no.npy"
[ -e "$scratch/no.npy" ] && fail "a file after an error"
says '"continuation":" fish","log_likelihood":-' "$tern" score "$model" -c "The tern is a" " bird" " fish"
says "context 128;" "$tern" perplexity "$model" "$scratch/text" --ctx 128 --stride 32
refuses "want less than the context" "$tern" perplexity "$model" "$scratch/text" --stride 512
refuses "want at least 512" "$tern" perplexity "$model" "$scratch/hello.txt"

# Converting, and what inspect says of the outcome.
says "written and read back" "$tern" convert "$golden/llama" "$scratch/llama.gguf" --type tq2_0 --head q6_k
says "llama: 2 layers, dim 256" "$tern" inspect "$scratch/llama.gguf"
says "output.weight  *Q6_K 256 x 320" "$tern" inspect "$scratch/llama.gguf"
says "attn_q.weight  *TQ2_0 256 x 256" "$tern" inspect "$scratch/llama.gguf"
says "scales were rounded to those that TQ2_0 holds" \
  "$tern" convert "$golden/llama" "$scratch/llama.gguf" --type tq2_0
says "read in another dialect, as told: nothing can check it" \
  "$tern" convert "$model" "$scratch/guess.gguf" --assume-dialect arm64
refuses "which is the source" "$tern" convert "$model" "$model"
refuses "where I2_S has one" "$tern" convert "$golden/bonsai/model.gguf" "$scratch/b.gguf" --type i2_s
refuses "want a multiple of 256" "$tern" convert "$golden/bitnet_odd" "$scratch/b.gguf" --type tq1_0
refuses "q4 not in {f16,bf16,q8_0,q6_k}" "$tern" convert "$model" "$scratch/b.gguf" --head q4
ls "$scratch" | grep -q "b.gguf" && fail "a file after an error"

# Directories, and files that do not run.
says "gemma3: 3 layers, dim 128" "$tern" inspect "$golden/gemma3_embedding"
says '"runnable": true' "$tern" inspect --json "$golden/bitnet_b158"
sed 's/bitnet-b1.58/qwen35-b1.58/g' "$model" >"$scratch/qwen35.gguf"
says "This build cannot run it: .*found qwen35-b1.58, this build runs" "$tern" inspect "$scratch/qwen35.gguf"
mkdir "$scratch/dense"
cp "$golden"/bitnet_large/* "$scratch/dense"
sed -i 's/BitnetForCausalLM/LlamaForCausalLM/' "$scratch/dense/config.json"
says "This build cannot run it: .*dense, not ternary" "$tern" inspect "$scratch/dense"
says "Tern refuses it: .*dense, not ternary" "$tern" quantize-check "$scratch/dense"
refuses "dense, not ternary" "$tern" convert "$scratch/dense" "$scratch/b.gguf"
says "This model was trained for it" "$tern" quantize-check "$golden/bitnet_large"
refuses "want a Hugging Face directory" "$tern" quantize-check "$model"

# Conversations.
refuses "bitnet, llama-3, chatml, falcon3, qwen3" \
  "$tern" serve --model "$model" --listen 127.0.0.1:0 --chat-template alpaca

((failures == 0)) && echo "as said"
exit "$failures"
