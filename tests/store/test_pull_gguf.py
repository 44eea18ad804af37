"""One GGUF file out of a hub repository or from this machine, into the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gguf_files import CONFIG, cut, hollow_gguf
from hub_server import COMMIT, HubServer

from rightsized.core.egress import Egress
from rightsized.core.errors import EgressDeniedError, InputError, IntegrityError, NotFoundError, StoreError
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.language_models import pull_destination, pull_gguf


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(Home(tmp_path / "home").ensure())


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    folder = tmp_path / "repository"
    folder.mkdir()
    for recipe in ("F16", "Q8_0"):
        hollow_gguf(folder / f"Tiny.{recipe}.gguf", CONFIG, recipe)
    (folder / "README.md").write_text("---\nlicense: mit\nlanguage:\n- en\n---\nA model.\n", "utf-8")
    (folder / "config.json").write_text("{}", "utf-8")
    server = HubServer(folder)
    monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
    yield server
    server.close()


def test_one_file_of_many(hub: HubServer, store: ModelStore) -> None:
    card = pull_gguf("hub:org/tiny", store=store, egress=Egress(), file="Tiny.Q8_0.gguf")
    assert (card.name, card.source) == ("tiny.q8_0", f"hub:org/tiny@{COMMIT}")
    assert (card.licence, card.languages, card.context, card.dimension) == ("mit", ("en",), 64, 64)
    assert card.language_model is not None
    assert card.language_model.quantisation == "Q8_0"
    assert set(card.files) == {"tiny.q8_0.gguf", "README.md"}
    assert store.verify(card.name) == []
    assert hub.transfers("Tiny.F16.gguf") == []
    with pytest.raises(StoreError, match="is taken"):
        pull_gguf("hub:org/tiny", store=store, egress=Egress(), file="Tiny.Q8_0.gguf")


@pytest.mark.parametrize("folder", ["", "Q8_0/"])
def test_parts_are_fetched_and_joined(hub: HubServer, store: ModelStore, folder: str) -> None:
    whole = hub.folder / "Tiny.Q8_0.gguf"
    work = hub.folder / "parts"
    names = [path.name for path in cut(whole, work, "Tiny.Q8_0", 3)]
    work.rename(hub.folder / folder) if folder else [(work / name).rename(hub.folder / name) for name in names]
    card = pull_gguf("hub:org/tiny", store=store, egress=Egress(), file=f"{folder}{names[0]}")
    assert set(card.files) == {"tiny.q8_0.gguf", "README.md"}
    assert (store.folder("tiny.q8_0") / "tiny.q8_0.gguf").read_bytes() == whole.read_bytes()
    assert card.language_model is not None
    assert card.language_model.quantisation == "Q8_0"


def test_a_file_must_be_chosen_and_be_there(hub: HubServer, store: ModelStore) -> None:
    with pytest.raises(InputError, match="which one"):
        pull_gguf("hub:org/tiny", store=store, egress=Egress())
    with pytest.raises(NotFoundError, match=r"no file 'other\.gguf'"):
        pull_gguf("hub:org/tiny", store=store, egress=Egress(), file="other.gguf")
    with pytest.raises(NotFoundError, match="no model 'org/other'"):
        pull_gguf("hub:org/other", store=store, egress=Egress(), file="other.gguf")
    assert store.list() == []


def test_nothing_is_fetched_without_leave(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example.com")
    assert pull_destination("hub:org/tiny", store) == "mirror.example.com"
    with pytest.raises(EgressDeniedError):
        pull_gguf("hub:org/tiny", store=store, egress=Egress(), file="x.gguf")


def test_a_local_file(store: ModelStore, tmp_path: Path) -> None:
    hollow_gguf(tmp_path / "Mine.gguf", CONFIG)
    assert pull_destination(str(tmp_path / "Mine.gguf"), store) == ""
    card = pull_gguf(str(tmp_path / "Mine.gguf"), store=store, egress=Egress())
    assert (card.name, card.source) == ("mine", f"local:{tmp_path / 'Mine.gguf'}")
    assert card.parameters == 2 * (4 * 64 * 64 + 3 * 64 * 96 + 2 * 64) + 2 * 128 * 64 + 64
    parts = cut(tmp_path / "Mine.gguf", tmp_path / "parts", "Cut", 2)
    assert pull_gguf(str(parts[1]), store=store, egress=Egress()).parameters == card.parameters
    assert all(path.exists() for path in parts)
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(IntegrityError):
        pull_gguf(str(tmp_path / "bad.gguf"), store=store, egress=Egress())
    assert [c.name for c in store.list()] == ["cut", "mine"]
