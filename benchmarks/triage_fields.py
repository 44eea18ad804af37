"""Fields in short customer texts (NLU++ slots): a model fitted on some hundred marked texts, beside patterns and lists.

Banking and hotels apart. For each of three draws, 400 texts at random are marked, the rest is the test. "Patterns and
lists" is what the same texts give without a model: our patterns of amounts and dates under the names of the slots, and
every value that the 400 show as a list of names. sklearn-crfsuite is a conditional random field over the usual features
of words (two on each side), its penalties chosen on a fifth of the marked texts, in an environment of its own. A span
counts where its name, start and end are all right.
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
from benchmarks.peer import Peer, PeerUnavailable
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
CRFSUITE = ("sklearn-crfsuite==0.5.0", "python-crfsuite==0.9.11", "numpy==2.2.6")
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


def crfsuite(peer: Peer, train: Sequence[MarkedText], test: Sequence[MarkedText]) -> Finder:
    """What a peer's conditional random field, fitted on the same texts, finds in these. Raises PeerUnavailable."""
    spans = [[(one.name, one.start, one.end) for one in text.spans] for text in train]
    tested = [one.text for one in test]
    told = peer.call("crf", texts=[one.text for one in train], spans=spans, tested=tested)["spans"]
    found = {
        text: [Found(name, start, end, text[start:end]) for name, start, end in marked]
        for text, marked in zip(tested, told, strict=True)
    }
    return lambda text: found[text]


def measure(data: Path, draws: int) -> dict[str, Any]:
    """F1 with its interval, by domain, number of marked texts, and way."""
    models.encoder().close()  # pulled if absent
    peer = Peer("crfsuite", CRFSUITE, "crfsuite_peer.py")
    try:
        peer.install()
        with peer:
            result = {name: one for domain in DOMAINS for name, one in _domain(data, domain, draws, peer).items()}
            return {**result, "peer": {"peer": "sklearn-crfsuite", "versions": peer.versions()}}
    except PeerUnavailable as error:
        result = {name: one for domain in DOMAINS for name, one in _domain(data, domain, draws, None).items()}
        return {**result, "peer": peer.unavailable(error)}


def _domain(data: Path, domain: str, draws: int, peer: Peer | None) -> dict[str, Any]:
    rows, result = texts(data, domain), dict[str, Any]()
    for size in SIZES:
        told: dict[str, Rows] = defaultdict(dict)
        cpu = 0.0
        for draw in range(draws):
            order = random.Random(draw).sample(range(len(rows)), len(rows))
            train, test = [rows[n] for n in order[:size]], [rows[n] for n in order[size:]]
            with harness.Clock() as clock:
                model = fitted(train)
            cpu += clock.cpu
            finders = {"model": model, "patterns_and_lists": patterns_and_lists(train)}
            if peer is not None:
                finders["sklearn_crfsuite"] = crfsuite(peer, train, test)
            for way, finder in finders.items():
                _add(told[way], order[size:], counts(finder, test))
            harness.note(f"{domain}, {size} marked texts, draw {draw + 1}: {f1(list(told['model'].values())):.3f}")
        ways = {way: _figures(one) for way, one in told.items()}
        result[f"{domain}_{size}"] = ways | {"cpu_seconds_a_fit": cpu / draws}
    return result


def fitted(train: Sequence[MarkedText]) -> Finder:
    """A model of tokens of these texts, as an inbox opens it."""
    store = ModelStore(models.home())
    with tempfile.TemporaryDirectory() as folder:
        fit_model(train, store.folder("minilm"), store.card("minilm"), Path(folder))
        model = open_model(Path(folder))
    assert model is not None
    return model


def _figures(rows: Rows) -> dict[str, Any]:
    return {"f1": f1([*rows.values()]), "interval": interval(rows), "spans": sum(r[0] + r[2] for r in rows.values())}


def main() -> int:
    given = harness.options("triage_fields", __doc__.partition("\n")[0])
    result = measure(given.data, QUICK_DRAWS if given.quick else DRAWS)
    lines = []
    for name, one in result.items():
        shown = (f"{way} {_shown(row)}" for way, row in one.items() if isinstance(row, dict) and "f1" in row)
        if name != "peer":
            lines.append(f"{name}: {', '.join(shown)}; {one['cpu_seconds_a_fit']:.0f} s of processor time a fit")
    return harness.finish(given, result, lines)


def _shown(row: Mapping[str, Any]) -> str:
    low, high = row["interval"]
    return f"{row['f1']:.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    raise SystemExit(main())
