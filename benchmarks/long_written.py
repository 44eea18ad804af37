"""Written summaries of long contracts: whether the steps hold. Nothing is said about how good the summaries are.

No pretrained generative model could be had here. So two stand in, both behind the real gateway with its record: a
llama.cpp model of random weights, which invents all that it writes, and a script that copies sentences with their
numbers and invents one in each step. Counted: parts read, steps, sentences written and shown, and those shown that are
not in the document; with the time of all but the model.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import harness, models
from benchmarks.long_data import contracts, indexed
from rightsized.apps.search.long.records import WrittenSummary
from rightsized.apps.search.long.written import Limits, write_summary
from rightsized.apps.search.protocols import View
from rightsized.core.config import Config
from rightsized.core.generation import Caller, Generation
from rightsized.core.tiers import TierConfig
from rightsized.engines.fake_generator import FakeGenerator
from rightsized.ledger.log import SqliteLedger
from rightsized.parsers.sentences import sentences
from rightsized.tasks.gateway import LocalGateway
from rightsized.tasks.writing import GatewayWriter
from tests.engines import tiny_gguf

CONTEXT = 4096  # tokens that both read
LONGEST = 3  # contracts
SHORT = 4_000  # characters at least of the one that the model of random weights reads: a letter is a token to it
INVENTED = "The supplier owes nine hundred million euros to the moon [1]."
_PART = re.compile(r"<passage (\d+)>\n(.*?)\n</passage>", re.DOTALL)


def main() -> int:
    given = harness.options("long_written", __doc__ or "")
    some = contracts(given.data)
    encoder = models.encoder(sessions=1)
    collection, documents = indexed(some[:6] if given.quick else some, encoder)
    view = collection.view(collection.all_principals())
    known = sorted((one for one in some if one.id in documents), key=lambda one: len(one.text))
    short = next(one for one in known if len(one.text) > SHORT)
    runs = [("random weights", _random, short), ("script", _script, short)]
    runs += [("script", _script, one) for one in known[-(1 if given.quick else LONGEST) :]]
    result: dict[str, Any] = {"context": CONTEXT, "contracts": []}
    for name, made, contract in runs:
        harness.note(f"{contract.id} {name}")
        with tempfile.TemporaryDirectory() as folder:
            row = asyncio.run(_measured(Path(folder), made(Path(folder)), view, documents[contract.id].id))
        result["contracts"].append({"characters": len(contract.text), "model": name, **row})
    collection.close()
    return harness.finish(given, result, _lines(result))


def _script(folder: Path) -> TierConfig:
    return TierConfig("script", engine="fake", context=CONTEXT)


def _random(folder: Path) -> TierConfig:
    model = tiny_gguf.write_llama(folder / "random.gguf", context=CONTEXT)
    return TierConfig("random", engine="llamacpp", model=str(model), context=CONTEXT)


async def _measured(folder: Path, tier: TierConfig, view: View, document: str) -> dict[str, Any]:
    config = Config(home=str(folder / "home"), tiers=(tier,))
    with SqliteLedger(folder / "decisions.sqlite") as ledger:
        gateway = LocalGateway(config, ledger)
        generator = gateway._tiers[0].generator
        if isinstance(generator, FakeGenerator):
            generator._write = copied
        await gateway.start()
        try:
            began = time.perf_counter()
            writer = GatewayWriter(gateway, Caller(), "internal")
            found = await write_summary(view, document, "", writer=writer, limits=Limits(seconds=3600.0))
            wall = time.perf_counter() - began
        finally:
            await gateway.close()
    return _row(found, view.text(document), wall)


def _row(found: WrittenSummary, text: str, wall: float) -> dict[str, Any]:
    quotes = [place for one in found.sentences for place in one.citations]
    maps = [one for one in found.steps if one.kind == "map"]
    read = {place for one in maps if one.done for place in range(one.first, one.last)}
    return {
        "status": found.status,
        "passages": found.passages,
        "passages_read": len(read),
        "parts": len(maps),
        "joins": len(found.steps) - len(maps),
        "failed_steps": sum(not one.done for one in found.steps),
        "reasons": sorted({one.reason for one in found.steps if not one.done}),
        "sentences_written": found.written,
        "left_out": found.left_out,
        "shown": len(found.sentences),
        "citations_that_are_not_the_document_s": sum(text[p.mark.start : p.mark.end] != p.text for p in quotes),
        "invented_and_shown": sum("million euros to the moon" in one.text for one in found.sentences),
        "seconds": wall,
        "model_seconds": sum(one.seconds for one in found.steps),
        "prompt_tokens": sum(one.usage.prompt_tokens for one in found.steps),
    }


def copied(asked: Generation) -> str:
    """Copies a sentence of every other passage with its number, and invents one."""
    said = [INVENTED]
    for part in asked.body["messages"][1]["content"][:-1]:
        for number, body in _PART.findall(part["text"]):
            text = body.split("\n", 1)[-1]
            spans = [text[start:end] for start, end in sentences(text) if text[start:end].endswith(".")]
            long = [one for one in spans if 6 <= len(one.split()) <= 40]
            if int(number) % 2 and long and len(said) < 6:
                said.append(f"{long[0].rstrip('.')} [{number}].")
    return " ".join(" ".join(said).split())


def _lines(result: dict[str, Any]) -> list[str]:
    return [str(row) for row in result["contracts"]]


if __name__ == "__main__":
    sys.exit(main())
