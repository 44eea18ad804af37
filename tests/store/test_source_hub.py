"""The hub source against a stand-in on loopback: whole, interrupted, wrong, absent, forbidden."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import COMMIT, HubServer

from rightsized.core.egress import Egress
from rightsized.core.errors import (
    DiskFullError,
    DownloadError,
    EgressDeniedError,
    InputError,
    IntegrityError,
    MissingExtraError,
    NotFoundError,
)
from rightsized.core.protocols import no_progress
from rightsized.store.sources.hub import HubSource, is_wanted
from tiny_encoder import write_tiny_encoder

WEIGHTS = "model.safetensors"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    folder = write_tiny_encoder(tmp_path / "repository")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "config.json").write_bytes(b"{}")
    server = HubServer(folder)
    yield server
    server.close()


def _fetch(hub: HubServer, tmp_path: Path, spec: str = "org/tiny", into: str = "into") -> Path:
    source = HubSource(spec, downloads=tmp_path / "downloads", endpoint=hub.endpoint)
    target = tmp_path / into
    target.mkdir()
    fetched = source.fetch(target, egress=Egress(), progress=no_progress)
    assert fetched.source == f"hub:org/tiny@{COMMIT}"
    assert fetched.finished
    return target


@pytest.mark.parametrize("spec", ["org/tiny", "org/tiny@v1", f"org/tiny@{COMMIT}"])
def test_fetches_just_what_an_encoder_needs(hub: HubServer, tmp_path: Path, spec: str) -> None:
    into = _fetch(hub, tmp_path, spec)
    names = {p.relative_to(into).as_posix() for p in into.rglob("*") if p.is_file()}
    assert names == {"README.md", "config.json", "sentence_bert_config.json", "tokenizer.json", WEIGHTS}
    assert (into / WEIGHTS).read_bytes() == (hub.folder / WEIGHTS).read_bytes()


def test_interrupted_download_goes_on_where_it_stopped(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The library writes in chunks of 10 MB; these weights are smaller.
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    hub.cut_after = 20_000
    with pytest.raises(DownloadError, match="could not be fetched") as caught:
        _fetch(hub, tmp_path, into="first")
    assert caught.value.retryable
    hub.cut_after, hub.refuse_transfers = None, False
    hub.requests.clear()
    into = _fetch(hub, tmp_path, into="second")
    assert hub.transfers(WEIGHTS) == ["bytes=20000-"]
    assert hub.transfers("config.json") == []  # whole already
    assert (into / WEIGHTS).read_bytes() == (hub.folder / WEIGHTS).read_bytes()


def test_wrong_content_is_refused_and_fetched_anew(hub: HubServer, tmp_path: Path) -> None:
    good = (hub.folder / WEIGHTS).read_bytes()
    hub.lie_about[WEIGHTS] = bytes([good[0] ^ 1]) + good[1:]
    with pytest.raises(IntegrityError, match="sha256"):
        _fetch(hub, tmp_path, into="first")
    hub.lie_about.clear()
    assert (_fetch(hub, tmp_path, into="second") / WEIGHTS).read_bytes() == good


def test_absent_repository_and_revision(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no model 'org/other'"):
        _fetch(hub, tmp_path, "org/other", into="a")
    with pytest.raises(NotFoundError, match="no revision 'v9'"):
        _fetch(hub, tmp_path, "org/tiny@v9", into="b")


def test_unreachable_hub(tmp_path: Path) -> None:
    server = HubServer(tmp_path)
    server.close()
    with pytest.raises(DownloadError, match="could not be fetched"):
        _fetch(server, tmp_path)


def test_endpoint_of_the_environment_and_its_destination(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert HubSource("a/b", downloads=tmp_path).destination == "hub"
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example.com/")
    source = HubSource("a/b", downloads=tmp_path)
    assert (source.destination, source.endpoint) == ("mirror.example.com", "https://mirror.example.com")
    with pytest.raises(EgressDeniedError, match=r"mirror\.example\.com"):
        source.fetch(tmp_path, egress=Egress(frozenset({"hub"})), progress=no_progress)


def test_full_disk_is_told_apart_from_a_bad_connection(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    with pytest.raises(DiskFullError):
        _fetch(hub, tmp_path)


def test_progress_is_in_bytes_and_ends_at_the_total(hub: HubServer, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    source = HubSource("org/tiny", downloads=tmp_path / "downloads", endpoint=hub.endpoint)
    source.fetch(tmp_path / "into", egress=Egress(), progress=lambda _, done, total: steps.append((done, total)))
    total = steps[-1][1]
    assert total > (hub.folder / WEIGHTS).stat().st_size
    assert steps[-1] == (total, total)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)


@pytest.mark.parametrize("spec", ["", "name", "a/b/c", "a/b@", "../x/y", "a/b c"])
def test_specs_that_name_nothing(tmp_path: Path, spec: str) -> None:
    with pytest.raises(InputError, match="names no model"):
        HubSource(spec, downloads=tmp_path)


def test_missing_extra_names_the_command(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError) as caught:
        _fetch(hub, tmp_path)
    assert "pip install 'rightsized[hub]'" in caught.value.fix


def test_which_files_are_wanted() -> None:
    assert is_wanted("model-00001-of-00002.safetensors")
    assert is_wanted("1_Pooling/config.json")
    assert not is_wanted("onnx/model.json")
    assert not is_wanted("pytorch_model.bin")
