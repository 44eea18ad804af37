"""A tier is used for the languages of its model's card, unless the settings say otherwise."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rightsized.core.config import Config, load
from rightsized.core.errors import RightsizedError
from rightsized.core.generation import Caller, Generation
from rightsized.store import cards
from rightsized.store.cards import Card
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks import tier_languages
from rightsized.tasks.chat_admission import routing_digests, tiers_to_look_at
from rightsized.tasks.service import LocalService
from rightsized.tasks.tier_languages import with_languages

TIER = '[[tiers]]\nname = "small"\nengine = "fake"\nmodel = "reader:Q8_0"\n'
GERMAN = "Wie viele Tage Urlaub darf ich in das nächste Jahr mitnehmen, und bis wann muss ich sie nehmen?"
ENGLISH = "How many days of leave may I take over into the next year, and until when must I use them?"


def install(home: Path, languages: tuple[str, ...]) -> None:
    store = ModelStore(Home(home))
    with store.staging("reader") as work:
        built = work / "built"
        built.mkdir(parents=True)
        (built / "model.gguf").write_bytes(b"weights")
        files = cards.describe_folder(built)
        card = Card(
            name="reader",
            digest=cards.digest_files(files),
            engine="llamacpp",
            architecture="2 layers",
            family="llama",
            parameters=7,
            size_bytes=7,
            context=64,
            dimension=4,
            languages=languages,
            licence="mit",
            source="local:here",
            origin="",
            files=files,
            created=0.0,
        )
        store.install(built, card)


def settings(home: Path, more: str = "") -> Config:
    file = home / "rightsized.toml"
    file.write_text(TIER + more)
    return load(file, environment={}, flags={"home": str(home)})


def veto(config: Config, words: str) -> str:
    (tier,) = tiers_to_look_at(config, ["small"])
    return tier.veto(Generation("chat", {"messages": [{"role": "user", "content": words}]}, data_class="internal"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    pytest.importorskip(tier_languages.PACKAGE)
    install(tmp_path, ("en",))
    return tmp_path


def test_the_cards_languages_keep_other_texts_away(home: Path) -> None:
    assert "the text is in 'de'" in veto(settings(home), GERMAN)
    assert veto(settings(home), ENGLISH) == ""


def test_settings_come_before_the_card(home: Path) -> None:
    assert veto(settings(home, 'languages = ["de"]'), GERMAN) == ""
    assert "the text is in 'en'" in veto(settings(home, 'languages = ["de"]'), ENGLISH)
    assert veto(settings(home, 'languages = ["any"]'), GERMAN) == ""


def test_the_gateway_refuses_by_the_card(home: Path) -> None:
    async def main() -> list[str]:
        async with LocalService(settings(home), purpose="serve", record=True, gateway=True) as service:
            assert service.gateway is not None
            told = []
            for words in (ENGLISH, GERMAN):
                body = {"messages": [{"role": "user", "content": words}]}
                try:
                    told.append((await service.gateway.generate(Generation("chat", body), Caller())).rung)
                except RightsizedError as error:
                    told.append(str(error))
            return told

    english, german = asyncio.run(main())
    assert english == "small"
    assert "'de'" in german


def test_what_keeps_texts_away_is_pinned(home: Path) -> None:
    by_card = routing_digests(settings(home))["limits.small"]
    assert routing_digests(settings(home, 'languages = ["en"]'))["limits.small"] == by_card
    assert routing_digests(settings(home, 'languages = ["any"]'))["limits.small"] != by_card


@pytest.mark.parametrize("listed", [(), ("multilingual",), ("en", "code")])
def test_a_card_that_lists_no_codes_says_nothing(tmp_path: Path, listed: tuple[str, ...]) -> None:
    install(tmp_path, listed)
    assert with_languages(settings(tmp_path)).tiers[0].languages == ()


def test_without_what_tells_languages_a_card_keeps_nothing_away(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tier_languages, "find_spec", lambda name: None)
    assert with_languages(settings(home)).tiers[0].languages == ()


def test_a_model_that_is_not_installed_is_for_others_to_tell(tmp_path: Path) -> None:
    assert with_languages(settings(tmp_path)).tiers[0].languages == ()
