"""Tiny language models of true architectures, made once by the original implementation and kept between runs.

    folder = checkpoint("qwen2")

Skips where there is no Python with torch, transformers and sentencepiece: `.venvs/parity`, or the one that
RIGHTSIZED_PARITY_PYTHON names.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKER = Path(__file__).with_name("language_model_maker.py")
NAMES = ("llama", "mistral", "mixtral", "gemma", "phi", "qwen2", "starcoder2", "gpt-bigcode")


@functools.cache  # the imports of the probe take seconds
def parity_python() -> str:
    """The Python that has the original implementation; skips where there is none."""
    path = Path(os.environ.get("RIGHTSIZED_PARITY_PYTHON", ROOT / ".venvs" / "parity" / "bin" / "python"))
    if not path.exists():
        pytest.skip(f"no Python with torch and transformers at {path}; set RIGHTSIZED_PARITY_PYTHON")
    probe = subprocess.run([str(path), "-c", "import torch, transformers, sentencepiece"], check=False)
    if probe.returncode:
        pytest.skip(f"{path} lacks torch, transformers or sentencepiece")
    return str(path)


def checkpoint(name: str) -> Path:
    """The folder of a checkpoint, as the hub would hold it. Never write to it."""
    python = parity_python()
    home = Path(os.environ.get("RIGHTSIZED_TEST_HOME", Path.home() / ".cache" / "rightsized-test"))
    version = hashlib.sha256(MAKER.read_bytes()).hexdigest()[:12]
    folder = home / "language-models" / version / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{name}.lock").open("w") as lock:  # several workers share one cache
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "config.json").exists():
            work = folder.with_name(f"{name}.work")
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            quiet = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
            done = subprocess.run(
                [python, str(MAKER), name, str(work)], capture_output=True, text=True, env=quiet, check=False
            )
            assert done.returncode == 0, done.stderr[-2000:]
            work.rename(folder)
    return folder
