# SPDX-License-Identifier: MIT
"""Writes tokenizer.gguf, the sample model's vocabulary without its tensors, and
tokenizer_golden.json: what the Hugging Face tokenizers library makes of some texts.

    python make_tokenizer_golden.py WORK_DIR

WORK_DIR is where tools/train/prepare.py left tokenizer.json.
"""

import json
import pathlib
import random
import sys

from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "tools" / "train"))
import export_gguf  # noqa: E402
from bitnet import Config  # noqa: E402

TEXTS = [
    "", " ", "  ", "a", "\n", "\r\n", "\t", "\x00", "\x7f",
    "It is a truth universally acknowledged, that a single man in possession of a good fortune",
    "In the beginning God created the heaven and the earth.\nAnd the earth was without form",
    "Hello world", " Hello world", "Hello  world", "Hello   world  ", "hello\n\n\nworld\n",
    "I'm you're he's they've we'd she'll don't", "I'M YOU'RE HE'S THEY'VE WE'D SHE'LL DON'T",
    "it'\u017f 'S'd'LL'lL 'x ''s", "\u2019s \u2019t it\u2019s",
    "0 1 12 123 1234 12345 123456 1234567", "3.14159 1,000,000 -5 +7 50% $9.99", "a1b22c333d4444",
    "\u0661\u0662\u0663\u0664 \u00bd \u2167 \u00b2\u00b3 \u4e00\u4e8c",
    "line one\r\nline two\r\n\r\nline four\rfive", " \r\n ", "x \n y", "x\t\ty", "   \n   \n   ",
    "trailing spaces   ", "   leading", "tab\tand\vvertical\fform", "a\u00a0b\u00a0\u00a0c",
    "\u0085next\u0085\u0085line", "mongolian\u180evowel \u180e separator", "zero\u200bwidth\u200d",
    "\u2028line\u2029paragraph", "\u3000ideographic\u3000\u3000space", "\ufeffbom", "\ufffd",
    "na\u00efve caf\u00e9 \u00fcber \u00d8re \u0130stanbul stra\u00dfe", "cafe\u0301 combining",
    "\u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac \u0440\u0443\u0441\u0441\u043a\u0438\u0439",
    "\u4f60\u597d\u4e16\u754c\u3002\u3053\u3093\u306b\u3061\u306f \ud55c\uad6d\uc5b4",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u05e2\u05d1\u05e8\u05d9\u05ea \u0939\u093f\u0928",
    "\U0001f600 \U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1eb\U0001f1f7 \U0001f44d\U0001f3fd",
    "\U0001d54f math \U00020000 \U0010ffff", "!!! ... ??? --- ___ ***", "a.b,c;d:e!f?g",
    "\"Quoted,\" said he; (and) [more] {yet} <tags/>", "#include <stdio.h>\nint main() { return 0; }",
    "https://example.org/path?query=1&other=two#frag", "def f(x):\n    return x ** 2\n\n",
    "<|eot_id|>", "a<|begin_of_text|>b", "<|eot_id", "|><|", "User: hello\nAssistant: ",
    "CamelCaseWords and snake_case_words", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "Mr. Darcy's hand--so white!--", "\u2014dash\u2014 \u201cquotes\u201d \u2026",
]
SPECIAL_TEXTS = [
    "<|begin_of_text|>Hello<|eot_id|>", "<|eot_id|><|eot_id|>", " <|eot_id|> ", "a<|end_of_text|>",
    "<|begin_of_text|>", "<<|eot_id|>|>", "<|eot_id|", "one<|eot_id|>two<|eot_id|>three",
]
# Letters, digits, marks, punctuation, spaces and symbols that all versions of Unicode agree on.
ALPHABET = ("aabcdefghstTHE'''.,;!?-  \n\n\r\t019" "\u00e9\u00a0\u2003\u0301\u0416\u4e2d\u0663"
            "\u20ac\U0001f600\u200d\u00ad\u0085")


def main():
    work = pathlib.Path(sys.argv[1])
    path = work / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    raw = json.loads(path.read_text(encoding="utf-8"))
    keys = export_gguf.metadata(Config(), "vocabulary of tern-sample", raw)
    export_gguf.write(HERE / "tokenizer.gguf", keys, [])

    rng = random.Random(1813)
    texts = TEXTS + ["".join(rng.choices(ALPHABET, k=rng.randrange(2, 40))) for _ in range(150)]
    plain = Tokenizer.from_file(str(path))  # that reads special tokens' names as text
    plain.encode_special_tokens = True

    def encoded(with_tokenizer, text):
        return dict(text=text, ids=with_tokenizer.encode(text, add_special_tokens=False).ids)

    golden = dict(text=[encoded(plain, t) for t in texts],
                  special=[encoded(tokenizer, t) for t in SPECIAL_TEXTS])
    for case in golden["text"]:
        assert plain.decode(case["ids"], skip_special_tokens=False) == case["text"]
    lines = [f'"{name}": [\n' + ",\n".join(json.dumps(case) for case in cases) + "\n]"
             for name, cases in golden.items()]
    (HERE / "tokenizer_golden.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
