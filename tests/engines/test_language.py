"""Language detection for tiers that read some languages only: sure or silent."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from rightsized.core.config import load
from rightsized.core.errors import MissingExtraError, UnsupportedError
from rightsized.core.generation import Caller, Generation
from rightsized.engines.language import LanguageDetector
from rightsized.tasks.gateway import LocalGateway

pytest.importorskip("py3langid", reason="the extra [language] is not installed")
GERMAN = "Guten Tag, ich möchte meine Bestellung von gestern stornieren, bitte."
ENGLISH = "Please summarise the following clause of the contract for the tenant."


def test_it_says_the_language_or_nothing() -> None:
    detect = LanguageDetector()
    assert detect(ENGLISH) == "en"
    assert detect(GERMAN) == "de"
    assert detect("請問我的包裹在哪裡,我想知道什麼時候會到") == "zh"
    assert detect("ok") == ""
    assert detect("12345 67890 !!!! 99999") == ""
    assert detect("") == ""


def test_a_tier_is_passed_over_for_a_language_it_does_not_read(tmp_path: Path) -> None:
    file = tmp_path / "rightsized.toml"
    file.write_text('[[tiers]]\nname = "small"\nengine = "fake"\nlanguages = ["en"]\n')
    config = load(file, environment={}, flags={"home": str(tmp_path)})

    async def main() -> None:
        gateway = LocalGateway(config)
        await gateway.start()
        asked = Generation("chat", {"messages": [{"role": "user", "content": ENGLISH}]})
        assert (await gateway.generate(asked, Caller())).rung == "small"
        asked = Generation("chat", {"messages": [{"role": "user", "content": GERMAN}]})
        with pytest.raises(UnsupportedError, match="in 'de'; it is used for en"):
            await gateway.generate(asked, Caller())

    asyncio.run(main())


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    with pytest.raises(MissingExtraError, match=r"rightsized\[language\]"):
        LanguageDetector()
