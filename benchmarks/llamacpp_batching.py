"""Does an answer of llama.cpp depend on its neighbours in the batch? Alone beside under load, bit by bit.

Tiny random models of the tests, greedy, with the logprobs of the likeliest tokens. Requests batched together with
prompts reused (the default) and one at a time (`isolated`), by the kind of weights, with flash attention and without.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import harness
from rightsized.core.egress import Egress
from rightsized.core.generation import Generation
from rightsized.core.tiers import EngineContext, TierConfig
from rightsized.engines.llamacpp import open_engine
from rightsized.engines.llamacpp.generator import LlamaCppGenerator
from tests.engines import tiny_gguf

NAME = "llamacpp_batching"
TOKENS = 48  # written to each prompt
TOP = 10  # logprobs compared for each token
SLOTS = 8
MODES: dict[str, dict[str, Any]] = {
    "batched": {"slots": SLOTS},
    "batched, Q8_0 weights": {"slots": SLOTS, "weights": "Q8_0"},
    "batched, Q4_0 weights": {"slots": SLOTS, "weights": "Q4_0"},
    "batched, F16 weights": {"slots": SLOTS, "weights": "F16"},
    "batched, Q8_0 weights, flash attention": {"slots": SLOTS, "weights": "Q8_0", "flash_attention": True},
    "batched, flash attention": {"slots": SLOTS, "flash_attention": True},
    "isolated": {"isolated": True},
    "isolated, Q4_0 weights": {"isolated": True, "weights": "Q4_0"},
    "isolated, Q8_0 weights": {"isolated": True, "weights": "Q8_0"},
    "isolated, 2 threads": {"isolated": True, "threads": 2},
}
Row = tuple[str, list[list[float]]]


def main() -> int:
    """Run and write benchmarks/results/llamacpp_batching.json."""
    options = harness.options(NAME, __doc__ or "")
    count = 12 if options.quick else 64
    with tempfile.TemporaryDirectory() as folder:
        models = {
            weights: tiny_gguf.write_llama(Path(folder) / f"{weights}.gguf", context=1024, weights=weights)
            for weights in ("F32", "F16", "Q8_0", "Q4_0")
        }
        modes = {}
        for name, settings in MODES.items():
            given = dict(settings)
            place = models[given.pop("weights", "F32")]
            modes[name] = asyncio.run(_mode(place, given, prompts(count)))
    result = {"prompts": count, "tokens": TOKENS, "slots": SLOTS, "logprobs_compared": TOP, "modes": modes}
    return harness.finish(options, result, _lines(result))


def prompts(count: int) -> list[str]:
    """Texts of 5 to 300 characters, some with the same beginning."""
    draw = random.Random(3)
    openings = ["", "Where is my parcel? ", "Please read this and answer: "]
    letters = "abcdefghij klmnop qrstuvwxyz"
    return [draw.choice(openings) + "".join(draw.choices(letters, k=draw.randint(5, 270))) for _ in range(count)]


async def _mode(place: Path, options: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    tier = TierConfig(name="tiny", engine="llamacpp", model=str(place), options={"threads": 1, **options}, queue=1000)
    engine = open_engine(tier, EngineContext(Egress(), ""))
    await engine.start()
    try:
        alone = [await _ask(engine, text) for text in texts]
        order = random.Random(5).sample(range(len(texts)), len(texts))
        loaded = dict(zip(order, await asyncio.gather(*(_ask(engine, texts[i]) for i in order)), strict=True))
    finally:
        await engine.close()
    return _compare(alone, [loaded[i] for i in range(len(texts))])


async def _ask(engine: LlamaCppGenerator, text: str) -> Row:
    body = {"prompt": text, "max_tokens": TOKENS, "temperature": 0, "logprobs": TOP}
    answer = await engine.generate(Generation("completions", body))
    found = answer.body["choices"][0]["logprobs"]["top_logprobs"]
    return answer.text, [list(row.values()) for row in found]


def _compare(alone: list[Row], loaded: list[Row]) -> dict[str, Any]:
    pairs = list(zip(alone, loaded, strict=True))
    same_text = [(a, b) for a, b in pairs if a[0] == b[0]]
    gaps = [
        abs(x - y)
        for (_, rows), (_, others) in same_text
        for row, other in zip(rows, others, strict=True)
        for x, y in zip(row, other, strict=True)
        if math.isfinite(x) and math.isfinite(y)
    ]
    return {
        "other_bits": sum(a != b for a, b in pairs) / len(pairs),
        "other_tokens": 1 - len(same_text) / len(pairs),
        "largest_logprob_gap_same_tokens": max(gaps, default=0.0),
    }


def _lines(result: dict[str, Any]) -> list[str]:
    return [
        f"{name:40} other bits {row['other_bits']:.1%}  other tokens {row['other_tokens']:.1%}  "
        f"largest gap {row['largest_logprob_gap_same_tokens']:.2g}"
        for name, row in result["modes"].items()
    ]


if __name__ == "__main__":
    sys.exit(main())
