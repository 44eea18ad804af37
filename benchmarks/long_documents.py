"""Long documents: how much of what a question asks for is in a context of so many tokens, beside plain ways to fill it.

CUAD's contracts are whole texts here; a question's gold is the rows in which its annotators marked clauses. Contexts of
equal size, counted by one tokenizer: the share of gold rows in them whole, and of their characters. The ranking of
clauses: the same within the first k. How contexts are packed was chosen on the contracts of half 0 and is reported on
half 1; the weights of the order are for each half those that were fitted on the other half and on other sets.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from benchmarks import harness, models
from benchmarks.long_contexts import Sizes, coverage, filled, head_and_tail, lead, orders
from benchmarks.long_data import Asked, Contract, Span, contracts, indexed
from benchmarks.peer import Peer, PeerUnavailable
from benchmarks.search import HALVES, NAMED
from benchmarks.search_peers import NUMPY
from rightsized.apps.search.evaluate.bootstrap import compare, interval
from rightsized.apps.search.long.counting import Counter, counter_of
from rightsized.apps.search.long.packing import packed
from rightsized.apps.search.long.scoring import Scored, score
from rightsized.apps.search.long.summary import Wanted, summarise
from rightsized.apps.search.protocols import View
from rightsized.apps.search.query.results import Ranking
from rightsized.apps.search.rank.ordering import Ordering
from rightsized.engines.onnx import OnnxEncoder
from rightsized.tasks.embeddings import Embedder

SEED = 7
BUDGETS = (512, 1024, 2048, 4096)
FIRST = (1, 3, 5, 10, 20)  # clauses
OURS = "rightsized"
LONG = 10_000  # tokens: contracts of at least so many stand apart too
CHOSEN, REPORTED = 0, 1  # halves
CHUNKS = {"haystack, 120 words": (120, 0), "haystack, 120 words, 30 shared": (120, 30)}
DEPTH = 1_000


class Case(NamedTuple):
    """A question with the stretches that each method gives it, by budget, and the first clauses of each ranking."""

    contract: Contract
    asked: Asked
    contexts: dict[str, dict[int, list[Span]]]
    first: dict[str, list[Span]]


class Opened(NamedTuple):
    """What every contract is measured with; `pack_ms` and `score_ms` gather times."""

    view: View
    encoder: OnnxEncoder
    counter: Counter
    pack_ms: dict[int, list[float]]
    score_ms: list[float]


def main() -> int:
    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--no-peers", action="store_true", help="ours and the plain ways alone")

    given = harness.options("long_documents", __doc__ or "", configure)
    some = contracts(given.data)
    if given.quick:
        some = some[:6]
    encoder = models.encoder(sessions=1)
    collection, documents = indexed(some, encoder)
    counted = functools.lru_cache(maxsize=500_000)(counter_of(encoder).of)
    times: dict[int, list[float]] = {budget: [] for budget in BUDGETS}
    opened = Opened(collection.view(collection.all_principals()), encoder, Counter(counted, True), times, [])
    tokens = {one.id: counted(one.text) for one in some}
    cases, summaries = list[Case](), list[dict[str, Any]]()
    for one in some:
        harness.note(f"{one.id}: {tokens[one.id]:,} tokens, {len(one.asked)} questions")
        found = _cases(opened, one, documents[one.id].id)
        cases += found
        summaries.append({"tokens": tokens[one.id], **_summarised(opened, documents[one.id].id)})
    missing = [] if given.extra.no_peers else _add_peers(some, cases, Embedder(models.home(), encoder), opened.counter)
    result = _result(cases, tokens, opened, summaries) | {"unavailable": missing, "encoder": encoder.digest}
    collection.close()
    return harness.finish(given, result, _lines(result))


def _cases(opened: Opened, contract: Contract, document: str) -> list[Case]:
    weights = dict(zip(NAMED, HALVES["cuad"][contract.half], strict=True))
    ranking = Ranking(ordering=Ordering(weights))
    sizes = Sizes(contract.text, opened.counter)
    cases = []
    for asked in contract.asked:
        began = time.perf_counter()
        scored = asyncio.run(score(opened.view, asked.text, [document], encoder=opened.encoder, ranking=ranking))
        opened.score_ms.append(1000 * (time.perf_counter() - began))
        ways, first = _ways(opened, scored, sizes, contract, asked)
        contexts = {name: {budget: way(budget) for budget in BUDGETS} for name, way in ways.items()}
        cases.append(Case(contract, asked, contexts, first))
    return cases


def _ways(
    opened: Opened, scored: Scored, sizes: Sizes, contract: Contract, asked: Asked
) -> tuple[dict[str, Callable[[int], list[Span]]], dict[str, list[Span]]]:
    """Every way to fill a budget but those of peers, and the first clauses of each ranking."""
    places = [(one.passage.start, one.passage.end) for one in scored.found]
    tokens = [opened.counter.of(one.passage.text) for one in scored.found]

    def ours(budget: int) -> list[Span]:
        began = time.perf_counter()
        made = packed(opened.view, scored, budget, opened.counter)
        opened.pack_ms[budget].append(1000 * (time.perf_counter() - began))
        if made.tokens > budget or opened.counter.of(made.text) != made.tokens:
            raise SystemExit(f"A context of {made.tokens} tokens where {budget} were allowed.")
        return [(one.start, one.end) for one in made.parts]

    ordered = {name: order() for name, order in orders(scored, asked).items()}
    ways: dict[str, Callable[[int], list[Span]]] = {
        OURS: ours,
        "lead": lambda budget: lead(sizes, contract, budget),
        "head and tail": lambda budget: head_and_tail(sizes, contract, budget),
    }
    for name, order in ordered.items():
        ways[name] = functools.partial(filled, order, places, tokens)
    return ways, {name: [places[at] for at in order[: max(FIRST)]] for name, order in ordered.items()}


def _summarised(opened: Opened, document: str) -> dict[str, Any]:
    """A summary of the whole: the time it takes, and how much it reads."""
    began = time.perf_counter()
    made = asyncio.run(summarise(opened.view, document, Wanted(), counter=opened.counter, encoder=opened.encoder))
    wall = time.perf_counter() - began
    return {"seconds": wall, "passages": made.passages, "sections": len(made.sections), "encoded": made.read}


def _add_peers(
    some: Sequence[Contract], cases: Iterable[Case], cached: Embedder, counter: Counter
) -> list[dict[str, Any]]:
    """Put in what a peer's splitter and retrievers give; returns peers that could not take part."""
    by_contract: dict[str, list[Case]] = {}
    for case in cases:
        by_contract.setdefault(case.contract.id, []).append(case)
    peer = Peer("haystack", ("haystack-ai==3.4.1", NUMPY), "haystack_splitter_peer.py")
    handlers = {"encode": lambda asked: cached.vectors(asked["texts"]).tolist()}
    try:
        with peer:
            for contract in some:
                harness.note(f"  haystack {contract.id}")
                for name, (words, overlap) in CHUNKS.items():
                    own = by_contract[contract.id]
                    questions = [case.asked.text for case in own]
                    found = peer.call(
                        "rank", handlers, text=contract.text, questions=questions, words=words, overlap=overlap,
                        vectors=cached.vectors(questions).tolist(), depth=DEPTH,
                    )  # fmt: skip
                    for case, spans in zip(own, found, strict=True):
                        _fill(case, name, [(start, end) for start, end in spans], counter)
    except PeerUnavailable as reason:
        return [peer.unavailable(reason)]
    return []


def _fill(case: Case, name: str, spans: list[Span], counter: Counter) -> None:
    tokens = [counter.of(case.contract.text[start:end]) for start, end in spans]
    order = range(len(spans))
    case.contexts[name] = {budget: filled(order, spans, tokens, budget) for budget in BUDGETS}
    case.first[name] = spans[: max(FIRST)]


def _result(
    cases: Sequence[Case], tokens: dict[str, int], opened: Opened, summaries: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    held = [case for case in cases if case.contract.half == REPORTED]
    groups = {
        "reported": held,
        f"reported, contracts of {LONG:,} tokens and more": [c for c in held if tokens[c.contract.id] >= LONG],
        "chosen on": [case for case in cases if case.contract.half == CHOSEN],
    }
    return {
        "contracts": len(tokens),
        "tokens_of_contracts": sorted(tokens.values()),
        "budgets": BUDGETS,
        "contexts": {name: _table(some) for name, some in groups.items() if some},
        "first_clauses": {name: _firsts(some) for name, some in groups.items() if some},
        "ms": {
            "score_all_passages": harness.percentiles(opened.score_ms, (50, 95)),
            "pack": {str(budget): harness.percentiles(values, (50, 95)) for budget, values in opened.pack_ms.items()},
        },
        "summary": summaries,
        "note": "gold is rows of about 110 words; passages of ours and chunks of peers are cut without knowing of them",
    }


def _table(cases: Sequence[Case]) -> dict[str, Any]:
    """Per method and budget: gold rows that are whole, and characters, each with its interval over contracts."""
    drawn = [case.contract.id for case in cases]
    values = {
        name: {
            budget: [coverage(one.contract.text, one.contexts[name][budget], one.asked.spans) for one in cases]
            for budget in BUDGETS
        }
        for name in cases[0].contexts
    }
    table: dict[str, Any] = {"questions": len(cases), "contracts": len(set(drawn))}
    for name, by_budget in values.items():
        table[name] = {str(budget): _row(found, values[OURS][budget], drawn) for budget, found in by_budget.items()}
    return table


def _row(
    found: Sequence[tuple[float, float]], ours: Sequence[tuple[float, float]], drawn: Sequence[str]
) -> dict[str, Any]:
    whole, characters = ([one[at] for one in found] for at in (0, 1))
    gain = compare(whole, [one[0] for one in ours], drawn, seed=SEED)
    return {
        "whole": msgspec.to_builtins(interval(whole, drawn, seed=SEED)),
        "characters": msgspec.to_builtins(interval(characters, drawn, seed=SEED)),
        "ours_minus_this_whole": msgspec.to_builtins(gain),
    }


def _firsts(cases: Sequence[Case]) -> dict[str, Any]:
    """Per ranking and k: the share of gold rows' characters within the first k clauses, and tokens do not count."""
    return {
        name: {
            str(k): sum(coverage(one.contract.text, one.first[name][:k], one.asked.spans)[1] for one in cases)
            / len(cases)
            for k in FIRST
        }
        for name in cases[0].first
    }


def _lines(result: dict[str, Any]) -> list[str]:
    lines = []
    for group, table in result["contexts"].items():
        lines.append(f"{group}: {table['questions']} questions, {table['contracts']} contracts; whole / characters")
        for name, row in table.items():
            if isinstance(row, dict):
                cells = "  ".join(
                    f"{row[str(b)]['whole']['mean']:.3f}/{row[str(b)]['characters']['mean']:.3f}" for b in BUDGETS
                )
                lines.append(f"  {name:34} {cells}")
        lines.append(f"first k clauses, characters: k = {', '.join(map(str, FIRST))}")
        for name, row in result["first_clauses"][group].items():
            lines.append(f"  {name:34} {'  '.join(f'{row[str(k)]:.3f}' for k in FIRST)}")
    lines.append(f"ms: {result['ms']}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
