"""What commands print: a terminal obeys nothing that a text of somebody else says."""

from __future__ import annotations

import pytest

from rightsized.cli.commands import Result, show
from rightsized.cli.tables import printable

OBEYED = "\x1b]0;owned\x07\x1b[2J\x9b1A\u202egpj.exe"


def test_no_text_moves_the_cursor_or_sets_the_title(capsys: pytest.CaptureFixture[str]) -> None:
    show(Result({}, f"Subject {OBEYED}\n\tsecond line"), as_json=False)
    shown = capsys.readouterr().out
    assert not set(shown) & set("\x1b\x07\x9b\u202e")
    assert shown.splitlines()[1].strip() == "second line"


def test_what_is_plain_stays() -> None:
    text = "Grüße, 你好 👩\u200d🚀\n\tשלום"
    assert printable(text) == text
    assert printable("a\r\nb") == "a\nb"
