"""Token for token the same as transformers, greedy and at f32, for each architecture, through the served path."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rightsized.core.generation import Generation
from tests.engines.llamacpp_checkpoints import ARCHITECTURES, write_checkpoint
from tests.engines.tiny_gguf import running, vocabulary

ROOT = Path(__file__).parents[2]
TOKENS = 32  # written to each prompt
GAP = 2e-3  # of a logprob: 1e-5 where ggml computes as torch does, 1e-3 where it looks GELU up in a table of halves
OPTIONS: dict[str, Any] = {"isolated": True, "cache_type": "f32", "batch": 16}  # prompts take several passes
pytestmark = [pytest.mark.needs_parity, pytest.mark.slow]
WORDS = vocabulary()


def prompts() -> list[list[int]]:
    """A start token and 1 to 60 characters, as token ids."""
    draw = random.Random(2)
    plain = [i for i in range(len(WORDS.pieces)) if i not in WORDS.silent]
    return [[1, *draw.choices(plain, k=length)] for length in (1, 5, 17, 33, 60, 9, 24, 48)]


@pytest.fixture(scope="module")
def original() -> Iterator[subprocess.Popen[str]]:
    python = Path(os.environ.get("RIGHTSIZED_PARITY_PYTHON", ROOT / ".venvs" / "parity" / "bin" / "python"))
    if not python.exists():
        pytest.skip(f"{python} with torch and transformers is not there")
    command = [str(python), str(Path(__file__).with_name("llamacpp_parity_worker.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.parametrize("case", sorted(ARCHITECTURES))
def test_it_writes_what_transformers_writes(case: str, original: subprocess.Popen[str], tmp_path: Path) -> None:
    assert original.stdin is not None
    assert original.stdout is not None
    weights, asked = tmp_path / "model.safetensors", prompts()
    facts = {"case": case, "path": str(weights), "vocabulary": len(WORDS.pieces), "silent": WORDS.silent}
    original.stdin.write(json.dumps(facts | {"prompts": asked, "count": TOKENS}) + "\n")
    original.stdin.flush()
    said = json.loads(original.stdout.readline())
    place = write_checkpoint(case, weights, said["config"], WORDS, tmp_path / "model.gguf")
    found = asyncio.run(_written(place, asked))
    for mine, theirs in zip(found, said["answers"], strict=True):
        spelled = "".join(WORDS.pieces[token].decode().replace("\u2581", " ") for token in theirs["tokens"])
        assert mine["text"] == spelled
        assert mine["logprobs"]["token_logprobs"] == pytest.approx(theirs["logprobs"], abs=GAP)
    assert len({answer["text"] for answer in found}) >= len(found) // 2  # it does read its prompt


async def _written(place: Path, asked: list[list[int]]) -> list[dict[str, Any]]:
    async with running(place, options=OPTIONS) as engine:
        found = []
        for prompt in asked:
            body = {"prompt": prompt, "max_tokens": TOKENS, "temperature": 0, "logprobs": 1}
            found.append((await engine.generate(Generation("completions", body))).body["choices"][0])
        return found
