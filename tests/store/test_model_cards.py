"""Licence and languages from the top of a README."""

from __future__ import annotations

from pathlib import Path

import pytest

from rightsized.store.model_cards import front_matter, licence_and_languages


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("---\nlanguage: en\nlicense: apache-2.0\n---\n# Model", ("apache-2.0", ("en",))),
        ("---\nlicense: 'mit'\nlanguage:\n- de\n- fr\ntags:\n- x\n---\n", ("mit", ("de", "fr"))),
        ("---\nlanguage: [en, zh-Hans]\n---\n", ("", ("en", "zh-Hans"))),
        ("---\nlanguage: multilingual\nlicense: other\n---\n", ("other", ())),
        ("# Model\nlicense: mit\n", ("", ())),
        ("---\nlicense: mit\n", ("", ())),  # never closed
        ("", ("", ())),
    ],
)
def test_facts(tmp_path: Path, text: str, expected: tuple[str, tuple[str, ...]]) -> None:
    (tmp_path / "README.md").write_text(text, "utf-8")
    assert licence_and_languages(tmp_path / "README.md") == expected


def test_absent_and_unreadable_files(tmp_path: Path) -> None:
    assert front_matter(tmp_path / "README.md") == {}
    (tmp_path / "README.md").write_bytes(b"---\nlicense: m\xff\n---\n")
    assert licence_and_languages(tmp_path / "README.md")[0] == "m\ufffd"
