"""Trains an encoder on pairs of texts, in a Python that has torch: `contrastive_child` does it, this hands over.

What is handed over and what comes back are arrays. The folder of the work stays until the caller removes it, so that
training that was stopped goes on from its checkpoint when the same work is asked for again.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from rightsized.core import net
from rightsized.core.errors import JobError
from rightsized.core.frozen import Frozen
from rightsized.core.protocols import Progress, no_progress

CHILD = Path(__file__).with_name("contrastive_child.py")
STOP_SECONDS = 30.0  # for the step in hand and a checkpoint, once asked to stop
_LAST = 2000  # characters of what a failed child said that are shown
Arrays = Mapping[str, NDArray[Any]]


class Settings(Frozen, frozen=True):
    """`batch` pairs a step; `rate` of learning at its highest; `decay` of weights; logits are cosines times `scale`;
    `layers` from the top are trained, the rest and the tables of tokens stay as they are.
    """

    epochs: float = 1.0
    batch: int = 32
    rate: float = 2e-5
    decay: float = 0.01
    scale: float = 20.0
    layers: int = 2
    seed: int = 0
    threads: int = 1


class Texts(NamedTuple):
    """Texts as token ids (int32 each); `pairs` int64 (n, 2) are numbers of texts: one that asks, and its partner.

    `negatives` int64 (n, k), -1 where there is none. `document` and `same` int64, a number a text: no text is a
    negative where its document, or what it says, is that of the partner. The first `held_out` pairs are not learnt.
    """

    ids: Sequence[NDArray[np.int32]]
    pairs: NDArray[np.int64]
    negatives: NDArray[np.int64]
    document: NDArray[np.int64]
    same: NDArray[np.int64]
    held_out: int = 0


class Outcome(Frozen, frozen=True):
    """`before`, `after`: share of held-out pairs that find their partner first in a batch. `memory_mb`: the child's."""

    steps: int
    loss: float
    before: float
    after: float
    memory_mb: float
    torch: str


def hand_over(folder: Path, arrays: Arrays, blueprint: Mapping[str, Any], texts: Texts, settings: Settings) -> None:
    """Write the work into a folder; what a run before has left there as a checkpoint stays."""
    folder.mkdir(parents=True, exist_ok=True)
    starts = np.cumsum([0, *map(len, texts.ids)]).astype(np.int64)
    whole = np.concatenate([np.asarray(one, np.int32) for one in texts.ids])
    rest = texts._asdict()
    kept = {name: np.ascontiguousarray(rest[name]) for name in ("pairs", "negatives", "document", "same")}
    save_file({"ids": whole, "starts": starts, **kept}, folder / "tokens.safetensors")
    save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, folder / "weights.safetensors")
    plain = {name: getattr(settings, name) for name in settings.__struct_fields__}
    order = {"blueprint": dict(blueprint), "settings": plain, "held_out": texts.held_out}
    (folder / "order.json").write_text(json.dumps(order), "utf-8")


def train(
    python: str,
    folder: Path,
    *,
    progress: Progress = no_progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[dict[str, NDArray[np.float32]], Outcome]:
    """Do the work of a folder: all arrays, those that were trained changed, and what came of it.

    Raises:
        JobError: it was cancelled (the same call goes on from there), or the child ended otherwise.
    """
    outcome = run(python, "train", folder, progress=progress, cancelled=cancelled)
    return load_file(folder / "tuned.safetensors"), Outcome(**outcome)


def embed(python: str, folder: Path) -> NDArray[np.float32]:
    """Vectors of the texts of a folder by its weights, as torch computes them: float32 (n, dimension)."""
    run(python, "embed", folder)
    vectors: NDArray[np.float32] = load_file(folder / "vectors.safetensors")["vectors"]
    return vectors


def run(
    python: str,
    action: str,
    folder: Path,
    *,
    progress: Progress = no_progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """One call of the child, inside the net; what it says last. Raises JobError."""
    command = [python, "-P", net.__file__, str(CHILD), action, str(folder)]
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    with (folder / "errors.txt").open("wb") as errors:
        child = subprocess.Popen(  # noqa: S603 - no shell; the arguments are this program's own
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **threads}
        )
    outcome: dict[str, Any] | None = None
    try:
        assert child.stdout is not None
        for line in child.stdout:
            said = json.loads(line)
            outcome = said.get("outcome")
            if outcome is None:
                progress("Training", said["done"], said["total"])
                if cancelled():
                    raise JobError("Training was stopped.", fix="The same command goes on from its checkpoint.")
        child.wait()
    finally:
        _end(child)
    if outcome is None:
        last = (folder / "errors.txt").read_text("utf-8", "replace").strip()[-_LAST:]
        raise JobError(f"Training ended with status {child.returncode}: {last or 'it said nothing'}")
    return outcome


def _end(child: subprocess.Popen[str]) -> None:
    """Ask a child that still runs to stop, which leaves a checkpoint; kill it if it does not."""
    if child.poll() is None:
        child.terminate()
        try:
            child.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
    child.communicate()
