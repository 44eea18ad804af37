"""Installed models: whole or absent, and damage is noticed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from rightsized.core.errors import IntegrityError, NotFoundError, StoreError
from rightsized.store import cards
from rightsized.store.cards import Card
from rightsized.store.home import Home
from rightsized.store.models import ModelStore


def _install(store: ModelStore, name: str = "small", content: bytes = b"weights") -> Card:
    with store.staging(name) as work:
        built = work / "built"
        (built / "sub").mkdir(parents=True)
        (built / "model.onnx").write_bytes(content)
        (built / "sub" / "tokenizer.json").write_bytes(b"{}")
        files = cards.describe_folder(built)
        card = Card(
            name=name,
            digest=cards.digest_files(files),
            engine="onnx",
            architecture="2 layers",
            family="bert",
            parameters=7,
            size_bytes=9,
            context=16,
            dimension=4,
            languages=("en",),
            licence="mit",
            source="local:here",
            origin="",
            files=files,
            created=0.0,
        )
        return store.install(built, card)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(Home(tmp_path / "home"))


def test_install_look_up_remove(store: ModelStore) -> None:
    assert store.list() == []
    card = _install(store)
    assert store.list() == [card]
    assert store.card("small") == store.card(card.digest) == card
    assert store.verify("small") == []
    assert (store.folder("small") / "model.onnx").read_bytes() == b"weights"
    store.remove("small")
    assert store.list() == []
    assert not store.has("small")


def test_digest_depends_on_names_and_contents() -> None:
    one, two = cards.FileFact("aa", 1), cards.FileFact("bb", 1)
    digest = cards.digest_files({"a": one, "b": two})
    assert digest == cards.digest_files({"b": two, "a": one})
    assert digest != cards.digest_files({"a": two, "b": one})
    assert digest != cards.digest_files({"a": one})


def test_missing_model_names_the_command(store: ModelStore) -> None:
    with pytest.raises(NotFoundError) as caught:
        store.folder("minilm")
    assert caught.value.fix == "Run: rightsized models pull minilm"
    with pytest.raises(NotFoundError, match="sha256:ab"):
        store.card("sha256:ab")
    with pytest.raises(NotFoundError):
        store.remove("minilm")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".work", "A", "x" * 101, "-x"])
def test_names_stay_inside_the_store(store: ModelStore, name: str) -> None:
    with pytest.raises(StoreError, match="cannot name a model"):
        store.card(name)


def test_truncated_file_is_refused(store: ModelStore) -> None:
    _install(store)
    (store.home.models / "small" / "model.onnx").write_bytes(b"weig")
    with pytest.raises(IntegrityError, match="4 bytes instead of 7") as caught:
        store.folder("small")
    assert "models pull small" in caught.value.fix
    assert store.verify("small") == ["model.onnx has 4 bytes instead of 7"]


def test_missing_file_is_refused(store: ModelStore) -> None:
    _install(store)
    (store.home.models / "small" / "model.onnx").unlink()
    with pytest.raises(IntegrityError, match=r"model\.onnx is missing"):
        store.folder("small")
    assert store.verify("small") == ["model.onnx is missing"]


def test_tampering_of_the_same_size_is_found_by_verify(store: ModelStore) -> None:
    _install(store)
    folder = store.folder("small")
    (folder / "model.onnx").write_bytes(b"WEIGHTS")
    (folder / "extra").write_bytes(b"")
    problems = store.verify("small")
    assert problems[0] == "extra does not belong to the model"
    assert problems[1].startswith("model.onnx has sha256")


def test_altered_or_unreadable_card(store: ModelStore) -> None:
    card = _install(store)
    path = store.home.models / "small" / cards.CARD_FILE
    forged = {**card.files, "model.onnx": cards.FileFact("0" * 64, 7)}
    path.write_bytes(cards.encode(msgspec.structs.replace(card, files=forged)))
    with pytest.raises(IntegrityError, match="was altered"):
        store.card("small")
    path.write_bytes(b"{")
    with pytest.raises(IntegrityError, match="not a model card"):
        store.card("small")
    store.remove("small")  # a broken model can still be removed
    assert not store.has("small")


def test_failed_build_leaves_nothing(store: ModelStore) -> None:
    with pytest.raises(RuntimeError), store.staging("small") as work:
        (work / "half").write_bytes(b"x")
        raise RuntimeError("the build failed")
    assert store.list() == []
    assert not list((store.home.models / ".work").glob("small@*"))


def test_what_a_killed_build_left_is_cleaned(store: ModelStore) -> None:
    store.home.ensure()
    stale = store.home.models / ".work" / "small@killed"
    other = store.home.models / ".work" / "small.two@running"
    stale.mkdir(parents=True)
    other.mkdir()
    with store.staging("small"):
        assert not stale.exists()
        assert other.exists()  # another model's


def test_replacement_killed_between_renames_is_mended(store: ModelStore) -> None:
    card = _install(store)
    work = store.home.models / ".work"
    (store.home.models / "small").rename(work / "small+replaced")
    assert store.card("small") == card
    assert store.verify("small") == []


def test_replacing_a_model(store: ModelStore) -> None:
    _install(store)
    card = _install(store, content=b"other")
    assert store.list() == [card]
    assert (store.folder("small") / "model.onnx").read_bytes() == b"other"
