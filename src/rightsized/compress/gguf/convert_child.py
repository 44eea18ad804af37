"""Run by a Python that has torch and transformers: calls llama.cpp's converter, and helps it over one stile.

Arguments: the converter's folder, the script's name, then the script's own arguments. Imports nothing of this package.

The converter knows how a tokenizer splits text by a hash of what it makes of one long test string. A tokenizer with
the splitting of a known family but other words, such as one trained anew, has another hash and is refused. Here the
splitting itself, as written in tokenizer.json, is then compared with the families' own. That the tokens agree is
checked after the conversion (`verify`), not assumed.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = QWEN.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)
REGULAR = {QWEN: "qwen2", LLAMA3: "llama-bpe"}


def splitting(tokenizer: dict[str, Any]) -> str:
    """llama.cpp's name for the splitting that a tokenizer.json describes; empty where it is none of the known ones."""
    outer = tokenizer.get("pre_tokenizer") or {}
    steps = outer.get("pretokenizers", [outer])
    kinds = [step.get("type") for step in steps]
    if kinds == ["ByteLevel"] and steps[0].get("use_regex", True):
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits") and steps[1].get("use_regex", True):
        return "starcoder"
    if kinds == ["Split", "ByteLevel"] and not steps[1].get("use_regex", True):
        return REGULAR.get((steps[0].get("pattern") or {}).get("Regex", ""), "")
    return ""


def _helped(known: Callable[..., str]) -> Callable[..., str]:
    def get_vocab_base_pre(self: Any, tokenizer: Any) -> str:
        try:
            return known(self, tokenizer)
        except NotImplementedError:
            path = Path(self.dir_model) / "tokenizer.json"
            name = splitting(json.loads(path.read_text("utf-8"))) if path.exists() else ""
            if not name:
                raise
            sys.stderr.write(f"note: the tokenizer is new; it splits text as {name} does\n")
            return name

    return get_vocab_base_pre


def main() -> None:
    folder, script = Path(sys.argv[1]), sys.argv[2]
    sys.path[:0] = [str(folder), str(folder / "gguf-py")]
    sys.dont_write_bytecode = True
    base = __import__("conversion.base", fromlist=["ModelBase"])
    for kind in (base.ModelBase, base.TextModel):
        if "get_vocab_base_pre" in vars(kind):
            kind.get_vocab_base_pre = _helped(vars(kind)["get_vocab_base_pre"])
    sys.argv = [str(folder / script), *sys.argv[3:]]
    runpy.run_path(str(folder / script), run_name="__main__")


if __name__ == "__main__":
    main()
