# SPDX-License-Identifier: MIT
"""chats.json: conversations as jinja2 3.1 renders these templates, which are written after those that
the models publish, without the branches that no conversation here takes (tools, default system
messages). python make_chats.py"""
import json
import pathlib

import jinja2

TEMPLATES = {
    "bitnet": "{% for message in messages %}{% set content = message['role'] | capitalize + ': ' + message['content'] | trim + '<|eot_id|>' %}"
              "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
              "{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}",
    "llama-3": "{% for message in messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' %}"
               "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
               "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
    "chatml": "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
              "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "falcon3": "{% for message in messages %}{% if message['role'] == 'system' %}{{ '<|system|>\n' + message['content'] + '\n' }}"
               "{% elif message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] + '\n' }}"
               "{% elif message['role'] == 'assistant' %}{% if not loop.last %}{{ '<|assistant|>\n' + message['content'] + eos_token + '\n' }}"
               "{% else %}{{ '<|assistant|>\n' + message['content'] + eos_token }}{% endif %}{% endif %}"
               "{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}",
    "qwen3": "{% for message in messages %}{% if message.role == 'assistant' %}{% set content = message.content %}"
             "{% if '</think>' in content %}{% set content = content.split('</think>')[-1].lstrip('\n') %}{% endif %}"
             "{{ '<|im_start|>' + message.role + '\n' + content + '<|im_end|>\n' }}"
             "{% else %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{% endif %}{% endfor %}"
             "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
}
CHATS = [
    [("user", "Hello")],
    [("system", "Be kind."), ("user", "Hello"), ("assistant", "Good day."), ("user", "  How are you?\n")],
    [("user", "\u4f60\u597d \U0001f469\u200d\U0001f467"), ("assistant", "<think>\nhm\n</think>\n\n42"), ("user", "why?")],
    [("system", ""), ("user", "a\n\nb")],
]
environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
out = []
for chat in CHATS:
    messages = [{"role": r, "content": c} for r, c in chat]
    out.append({"messages": messages, **{
        name: environment.from_string(source).render(messages=messages, add_generation_prompt=True, bos_token="<bos>", eos_token="<|endoftext|>")
        for name, source in TEMPLATES.items()}})
(pathlib.Path(__file__).parent / "chats.json").write_text(json.dumps({"templates": TEMPLATES, "chats": out}, ensure_ascii=True) + "\n")
