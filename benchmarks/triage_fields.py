"""Fields in short customer texts (NLU++ slots): a model fitted on some hundred marked texts, beside patterns and lists.

Banking and hotels apart. For each of three draws, 400 texts at random are marked, the rest is the test. "Patterns and
lists" is what the same texts give without a model: our patterns of amounts and dates under the names of the slots, and
every value that the 400 show as a list of names. A span counts where its name, start and end are all right.
"""

from __future__ import annotations

import gzip
import json
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import harness, models
from rightsized.apps.triage.fields.amounts import amounts
from rightsized.apps.triage.fields.dates import dates
from rightsized.apps.triage.fields.finding import Found, disjoint
from rightsized.apps.triage.fields.fitting import fit_model
from rightsized.apps.triage.fields.model import open_model
from rightsized.apps.triage.fields.names import NameList
from rightsized.store.models import ModelStore
from rightsized.tune.token_fields import MarkedSpan, MarkedText

DOMAINS = ("banking", "hotels")
SIZES = (100, 400)
DRAWS, QUICK_DRAWS = 3, 1
BOOTSTRAPS = 1_000
SENT = 1647302400.0  # the day that the data's relative dates count from: 15 March 2022
SLOTS_OF_OURS = {"amount": "amount_of_money", "date": "date"}

Rows = dict[int, tuple[int, int, int]]  # a text's number -> spans found rightly, wrongly, missed
Finder = Callable[[str], Sequence[Found]]


def texts(data: Path, domain: str) -> list[MarkedText]:
    """The texts of a domain with their slots."""
    found = []
    with gzip.open(data / "triage" / f"nlupp_{domain}.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            slots = (row.get("slots") or {}).items()
            found.append(MarkedText(row["text"], tuple(MarkedSpan(name, *one["span"]) for name, one in slots)))
    return found


def patterns_and_lists(train: Sequence[MarkedText]) -> Finder:
    """What patterns and the values of these texts find."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for one in train:
        for span in one.spans:
            seen[one.text[span.start : span.end].casefold()][span.name] += 1
    by_slot: dict[str, list[str]] = defaultdict(list)
    for value, names in seen.items():
        by_slot[names.most_common(1)[0][0]].append(value)
    lists = [NameList(name, values, fuzzy=False) for name, values in by_slot.items()]

    def find(text: str) -> list[Found]:
        ours = [*amounts(text), *dates(text, SENT)]
        found = [one._replace(name=SLOTS_OF_OURS[one.name]) for one in ours]
        return disjoint([*found, *(one._replace(rank=60) for names in lists for one in names.find(text))])

    return find


def counts(finder: Finder, test: Sequence[MarkedText]) -> list[tuple[int, int, int]]:
    """Spans found rightly, found wrongly and missed, a text."""
    found = []
    for one in test:
        got = {(span.name, span.start, span.end) for span in finder(one.text)}
        want = {(span.name, span.start, span.end) for span in one.spans}
        found.append((len(got & want), len(got - want), len(want - got)))
    return found


def f1(rows: Sequence[tuple[int, int, int]]) -> float:
    right, wrong, missed = (sum(row[at] for row in rows) for at in range(3))
    return 2 * right / max(1, 2 * right + wrong + missed)


def interval(rows: Mapping[int, tuple[int, int, int]]) -> list[float]:
    """95%, by drawing texts again, each with all that the draws say of it. `rows`: counts by the text's number."""
    chance, values = random.Random(1), list(rows.values())
    drawn = sorted(f1(chance.choices(values, k=len(values))) for _ in range(BOOTSTRAPS))
    return [drawn[int(0.025 * BOOTSTRAPS)], drawn[int(0.975 * BOOTSTRAPS)]]


def _add(rows: Rows, numbers: Sequence[int], counted: Sequence[tuple[int, int, int]]) -> None:
    """Add what one draw says of each text."""
    for number, (right, wrong, missed) in zip(numbers, counted, strict=True):
        before = rows.get(number, (0, 0, 0))
        rows[number] = (before[0] + right, before[1] + wrong, before[2] + missed)


def measure(data: Path, draws: int) -> dict[str, Any]:
    """F1 with its interval, by domain, number of marked texts, and way."""
    models.encoder().close()  # pulled if absent
    store = ModelStore(models.home())
    result: dict[str, Any] = {}
    for domain in DOMAINS:
        rows = texts(data, domain)
        for size in SIZES:
            told: dict[str, Rows] = {"model": {}, "patterns_and_lists": {}}
            cpu = 0.0
            for draw in range(draws):
                order = random.Random(draw).sample(range(len(rows)), len(rows))
                train, test = [rows[n] for n in order[:size]], [rows[n] for n in order[size:]]
                with tempfile.TemporaryDirectory() as folder:
                    with harness.Clock() as clock:
                        fit_model(train, store.folder("minilm"), store.card("minilm"), Path(folder))
                    cpu += clock.cpu
                    model = open_model(Path(folder))
                    assert model is not None
                    _add(told["model"], order[size:], counts(model, test))
                _add(told["patterns_and_lists"], order[size:], counts(patterns_and_lists(train), test))
                harness.note(f"{domain}, {size} marked texts, draw {draw + 1}: {f1(list(told['model'].values())):.3f}")
            result[f"{domain}_{size}"] = {
                way: {
                    "f1": f1([*one.values()]),
                    "interval": interval(one),
                    "spans": sum(r[0] + r[2] for r in one.values()),
                }
                for way, one in told.items()
            } | {"cpu_seconds_a_fit": cpu / draws}
    return result


def main() -> int:
    given = harness.options("triage_fields", __doc__.partition("\n")[0])
    result = measure(given.data, QUICK_DRAWS if given.quick else DRAWS)
    lines = []
    for name, one in result.items():
        shown = (
            f"{way} {one[way]['f1']:.3f} [{one[way]['interval'][0]:.3f}, {one[way]['interval'][1]:.3f}]"
            for way in ("model", "patterns_and_lists")
        )
        lines.append(f"{name}: {', '.join(shown)}; {one['cpu_seconds_a_fit']:.0f} s of processor time a fit")
    return harness.finish(given, result, lines)


if __name__ == "__main__":
    raise SystemExit(main())
