# SPDX-License-Identifier: MIT
"""What tiktoken makes of difficult texts with Llama 3's own vocabulary, which is not in the tree:
python make_llama3_golden.py TOKENIZER_MODEL writes llama3_golden.json (tiktoken 0.14)."""
import hashlib
import json
import pathlib
import sys

import tiktoken
from tiktoken.load import load_tiktoken_bpe

HERE = pathlib.Path(__file__).parent
PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

encoding = tiktoken.Encoding("llama3", pat_str=PATTERN, mergeable_ranks=load_tiktoken_bpe(sys.argv[1]), special_tokens={})
texts = [entry["text"] for entry in json.loads((HERE / "vocabularies.json").read_text())]
ids = encoding.encode((HERE.parents[2] / "model/data/heldout.txt").read_bytes().decode())
golden = {
    "texts": [{"text": text, "ids": encoding.encode(text)} for text in texts],
    "heldout": {"tokens": len(ids), "sha256": hashlib.sha256(" ".join(map(str, ids)).encode()).hexdigest()},
}
(HERE / "llama3_golden.json").write_text(json.dumps(golden) + "\n")
