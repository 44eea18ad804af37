"""Paragraphs that a mail program broke to be joined again: text/plain with format=flowed (RFC 3676)."""

from __future__ import annotations

import re

_QUOTE = re.compile(r">*")
_SEPARATOR = "-- "  # begins a signature and never flows


def unflowed(text: str, *, delete_space: bool = False) -> str:
    """The text with its soft line breaks taken out. Quoted lines keep their marks; each depth flows by itself.

    Args:
        text: lines end in `\\n`.
        delete_space: the part says DelSp=yes: the blank before a soft break is no word's.
    """
    done: list[str] = []
    open_line: list[str] = []  # pieces of the paragraph that goes on
    depth = -1  # of that paragraph; -1: none goes on
    for raw in text.split("\n"):
        marks = _QUOTE.match(raw)
        level = marks.end() if marks else 0
        line = raw[level:].removeprefix(" ")
        separator = line == _SEPARATOR
        if depth >= 0 and (depth != level or separator):
            done.append("".join(open_line).rstrip(" "))
            open_line, depth = [], -1
        if depth < 0:
            open_line = [">" * level + " " if level else ""]
        soft = line.endswith(" ") and not separator
        open_line.append(line[:-1] if soft and delete_space else line)
        if soft:
            depth = level
            continue
        done.append("".join(open_line) if separator else "".join(open_line).rstrip(" "))
        open_line, depth = [], -1
    if depth >= 0:
        done.append("".join(open_line).rstrip(" "))
    return "\n".join(done)
