# SPDX-License-Identifier: MIT
"""Small vocabularies of each kind, and what the libraries that they come from make of difficult
texts: tokenizers 0.23 (tokenizer.json) and sentencepiece 0.2 (.model). Trained on the held-out text
of the sample model. python make_vocabularies.py; vocabularies.json has the ids."""
import json
import pathlib

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent
CORPUS = HERE.parents[2] / "model/data/heldout.txt"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
TEXTS = [
    "", " ", "Hello, world!", "  two  spaces ", "It's WE'LL they'Re don't", "12 345 6789 3.14 1,000,000",
    "\n\n \n\t\t \t\n x", "na\u00efve caf\u00e9 \u00fcber stra\u00dfe", "\u4f60\u597d\uff0c\u4e16\u754c", "\u0939\u093f\u0928\u094d\u0926\u0940 \u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22",
    "\U0001f469\u200d\U0001f467 \U0001f680\U0001f680", "a\u00a0b\u2003c\u3000d", "e\u0301 \u0661\u0662\u0663", "!!!??? ...--==", "https://a.b/c?d=e&f#g", "\r\nwindows\r\n",
    "tab\tand\u000bvt", "<s>not special</s> <0x41>", "\u2581marks \u2581\u2581", "x" * 70, " " * 30 + "y", "The truth universally acknowledged, that a single man in possession of a good fortune",
]


def byte_level(name, pre, special):
    tokenizer = Tokenizer(models.BPE(ignore_merges=name == "llama3"))
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=special, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train([str(CORPUS)], trainer)
    if name == "llama3":
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{special[0]} $A", special_tokens=[(special[0], tokenizer.token_to_id(special[0]))])
    tokenizer.save(str(HERE / f"{name}.tokenizer.json"), pretty=False)
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def split(expression):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(expression), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def sentence_piece(name, **settings):
    sentencepiece.SentencePieceTrainer.train(
        input=str(CORPUS), model_prefix=str(HERE / name), model_type="bpe", vocab_size=700, byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, minloglevel=2, **settings)
    (HERE / f"{name}.vocab").unlink()
    model = sentencepiece.SentencePieceProcessor(model_file=str(HERE / f"{name}.model"))
    return model


def fallback_json(name, model):
    """The same pieces as the tokenizers library has Llama 2's: merges in order of score."""
    pieces = {model.id_to_piece(i): i for i in range(model.vocab_size())}
    merges = []
    for piece, id in pieces.items():
        for cut in range(1, len(piece)):
            if piece[:cut] in pieces and piece[cut:] in pieces:
                merges.append((-model.get_score(id), pieces[piece[:cut]], (piece[:cut], piece[cut:])))
    merges = [m for _, _, m in sorted(m for m in merges if not m[2][0].startswith("<"))]
    tokenizer = Tokenizer(models.BPE(pieces, merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.add_special_tokens([AddedToken("<unk>", special=True), AddedToken("<s>", special=True), AddedToken("</s>", special=True)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.save(str(HERE / f"{name}.tokenizer.json"), pretty=False)


llama2 = sentence_piece("llama2", add_dummy_prefix=True)
fallback_json("llama2", llama2)
gemma = sentence_piece("gemma", add_dummy_prefix=False, user_defined_symbols=["<b>", "\n\n", "\u2581" * 4, "<start_of_turn>"])
encoders = {
    "gpt2.tokenizer.json": byte_level("gpt2", pre_tokenizers.ByteLevel(add_prefix_space=False), ["<|endoftext|>"]),
    "qwen2.tokenizer.json": byte_level("qwen2", split(QWEN2), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]),
    "llama3.tokenizer.json": byte_level("llama3", split(LLAMA3), ["<|begin_of_text|>", "<|eot_id|>"]),
    "falcon.tokenizer.json": byte_level("falcon", pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False),
        pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated")]),
        ["<|endoftext|>"]),
    "llama2.model": lambda text: llama2.encode(text),
    "llama2.tokenizer.json": lambda text: llama2.encode(text),
    "gemma.model": lambda text: gemma.encode(text),
}
golden = [{"text": text, **{name: encode(text) for name, encode in encoders.items()}} for text in TEXTS]
(HERE / "vocabularies.json").write_text(json.dumps(golden, ensure_ascii=True) + "\n")
