# SPDX-License-Identifier: MIT
"""Cleans the source texts, makes the byte-level BPE vocabulary, and writes token arrays.

    python prepare.py TEXT_DIR WORK_DIR [--vocab 4096]

WORK_DIR receives tokenizer.json, train.npy, starts.npy (paragraph starts in train.npy), chat.npy,
chat_starts.npy, heldout.txt and heldout.npy. Every 80th block of about 8 kB of each text is held
out: neither the vocabulary nor the model sees it.
"""

import argparse
import pathlib
import re

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIALS = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]
# The pre-tokenizer that GGUF calls "llama-bpe".
LLAMA_BPE = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
             r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
BLOCK_BYTES = 8192
HELD_OUT_EVERY = 80


def novel_paragraphs(raw):
    """One string a paragraph: hard line breaks joined, emphasis underscores dropped."""
    raw = raw.replace("_", "").replace("\r", "")
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", raw)]
    return [p for p in paragraphs if p and p != "FINIS" and p != "THE END"]


def bible_paragraphs(raw):
    """One string a chapter; the verses are lines within it."""
    chapters, last = [], None
    for line in raw.splitlines():
        place, verse = line.split(" ", 1)
        chapter = place.rsplit(":", 1)[0]
        if chapter != last:
            chapters.append([])
            last = chapter
        chapters[-1].append(verse.strip())
    return ["\n".join(verses) for verses in chapters]


def split_held_out(paragraphs):
    train, held_out, block, size, index = [], [], [], 0, 0
    for paragraph in paragraphs + [None]:
        if paragraph is not None:
            block.append(paragraph)
            size += len(paragraph)
        if block and (paragraph is None or size >= BLOCK_BYTES):
            (held_out if index % HELD_OUT_EVERY == HELD_OUT_EVERY // 2 else train).append(block)
            block, size, index = [], 0, index + 1
    return train, held_out


def dialogues(paragraphs):
    """Runs of spoken paragraphs as alternating turns; what is not between quotes is dropped."""
    talks, turns = [], []
    for paragraph in paragraphs + [""]:
        said = " ".join(s.strip() for s in re.findall(r'"([^"]+)"?', paragraph))
        said = re.sub(r",$", ".", said)
        if paragraph.startswith('"') and said:
            turns.append(said)
            continue
        if len(turns) >= 2:
            talks.append(turns)
        turns = []
    return talks


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("text_dir", type=pathlib.Path)
    parser.add_argument("work_dir", type=pathlib.Path)
    parser.add_argument("--vocab", type=int, default=4096)
    args = parser.parse_args()
    args.work_dir.mkdir(parents=True, exist_ok=True)

    train_blocks, held_blocks, talks = [], [], []
    for path in sorted(args.text_dir.glob("*.txt")):
        raw = path.read_text(encoding="utf-8", errors="strict")
        paragraphs = bible_paragraphs(raw) if path.stem == "kjv" else novel_paragraphs(raw)
        train, held = split_held_out(paragraphs)
        train_blocks += train
        held_blocks += held
        for block in train if path.stem != "kjv" else []:
            talks += dialogues(block)

    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA_BPE), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=args.vocab - len(SPECIALS), min_frequency=2,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(("\n\n".join(b) for b in train_blocks), trainer)
    tokenizer.add_special_tokens(SPECIALS)
    assert tokenizer.get_vocab_size() == args.vocab
    tokenizer.save(str(args.work_dir / "tokenizer.json"))

    def encode(text):
        return tokenizer.encode(text, add_special_tokens=False).ids

    tokens, starts = [], []
    for block in train_blocks:
        for paragraph in block:
            starts.append(len(tokens))
            tokens += encode(paragraph + "\n\n")
    np.save(args.work_dir / "train.npy", np.array(tokens, dtype=np.uint16))
    np.save(args.work_dir / "starts.npy", np.array(starts, dtype=np.int64))

    eot = tokenizer.token_to_id("<|eot_id|>")
    tokens, starts = [], []
    for turns in talks:
        starts.append(len(tokens))
        for i, said in enumerate(turns):
            tokens += encode("Assistant: " if i % 2 else "User: ") + encode(said) + [eot]
    np.save(args.work_dir / "chat.npy", np.array(tokens, dtype=np.uint16))
    np.save(args.work_dir / "chat_starts.npy", np.array(starts, dtype=np.int64))

    held_out = "\n\n".join(p for block in held_blocks for p in block) + "\n"
    (args.work_dir / "heldout.txt").write_text(held_out, encoding="utf-8")
    np.save(args.work_dir / "heldout.npy", np.array(encode(held_out), dtype=np.uint16))
    for name in ["train", "starts", "chat", "chat_starts", "heldout"]:
        print(name, len(np.load(args.work_dir / f"{name}.npy")))
    print("heldout bytes", len(held_out.encode()))


if __name__ == "__main__":
    main()
