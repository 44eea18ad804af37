"""The measured table of the README, from the benchmarks' committed results; one without a result has no row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from reference import figures_documents as documents
from reference import figures_triage as triage
from reference.markdown import table

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
START, END = "<!-- figures: written by dev/make_reference.py from benchmarks/results -->\n", "<!-- /figures -->"
Result = dict[str, Any]


class Row(NamedTuple):
    """One row: the benchmark whose result it is from, and what makes its three cells."""

    benchmark: str
    cells: Callable[[Result], tuple[str, str, str]]


def readme(text: str) -> str:
    """The README with its table written anew."""
    before, _, rest = text.partition(START)
    return f"{before}{START}{measured()}{END}{rest.partition(END)[2]}"


def measured() -> str:
    """The table, and where its figures were taken."""
    rows = list(_rows())
    if not rows:
        return ""
    machines = sorted({f"{d['machine']['cpu']}, {d['machine']['cores']} cores" for _, d in rows})
    header = ("what", "measured", "beside it", "result")
    cells = [(*_cells(row, document["result"]), _link(row.benchmark)) for row, document in rows]
    return f"{table(header, cells)}\nMeasured on {'; '.join(machines)}. Times compare within a row only.\n"


def _rows() -> Iterable[tuple[Row, dict[str, Any]]]:
    for row in ROWS:
        path = RESULTS / f"{row.benchmark}.json"
        if path.exists():
            yield row, json.loads(path.read_text("utf-8"))


def _cells(row: Row, result: Result) -> tuple[str, str, str]:
    try:
        return row.cells(result)
    except (KeyError, StopIteration, ValueError) as error:
        raise SystemExit(
            f"{row.benchmark}.json has another shape ({error!r}): change dev/reference/figures.py"
        ) from None


def _link(name: str) -> str:
    return f"[{name}.json](benchmarks/results/{name}.json)"


def _percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f}%"


def _validity(result: Result) -> tuple[str, str, str]:
    cells = result["cells"]
    worst = max(cells, key=lambda c: c["violations"] / c["delta"])
    naive = max(c["naive_violations"] for c in cells if c.get("naive_violations") is not None)
    allowed = f"{100 * worst['delta']:g}%"
    what = f"Promises broken: worst of {len(cells)} settings, {result['draws']:,} draws each ({allowed} allowed)"
    return what, _percent(worst["violations"]), f"picking the threshold by eye: up to {_percent(naive, 0)}"


def _coverage(result: Result) -> tuple[str, str, str]:
    found = [
        c
        for c in result["cells"]
        if (c["data"], c["promise"], c["n"], c["epsilon"]) == ("banking77", "selective_error", 1000, 0.02)
    ]
    cell = max(found, key=lambda c: c["rungs"])
    what = "Share answered here within a certified 2%, banking77, 1,000 test labels"
    return what, _percent(cell["kept"], 0), f"with hindsight: {_percent(cell['oracle'], 0)}"


def _accuracy(data: str, words: str) -> Callable[[Result], tuple[str, str, str]]:
    def cells(result: Result) -> tuple[str, str, str]:
        rows = {row["method"]: row for row in result["accuracy"][data] if "accuracy" in row}
        mine = rows.pop("rightsized, encoder rung")
        rows.pop("rightsized, n-gram rung")
        beside = [
            f"{name}: {_percent(max(row['accuracy'], row.get('accuracy_with_stronger_head', 0)))}"
            f" ({row['train_cpu_s']:.0f} s)"
            for name, row in rows.items()
        ]
        what = f"Accuracy on banking77_test, {words} (training, CPU seconds)"
        return what, f"{_percent(mine['accuracy'])} ({mine['train_cpu_s']:.0f} s)", "; ".join(beside)

    return cells


def _ladder(result: Result) -> tuple[str, str, str]:
    found = next(one for one in result["sets"] if one["data"] == "banking77")
    at = {row["budget"]: row for row in found["budgets"]}
    parts = [
        f"{at[budget]['with_ngrams_after_ten_encoder_calls']['throughput_multiple']:.2f} times at {budget:.0%}"
        for budget in (0.02, 0.05)
    ]
    alone = at[0.02]["encoder_only"]["per_second"]
    what = "Messages a second and core with the n-gram rung in front, same certified error, banking77"
    return what, ", ".join(parts), f"encoder alone: {alone:.0f}/s"


def _monitor(result: Result) -> tuple[str, str, str]:
    scenes = result["false_alarms"]
    ours = max(row["share"] for row in scenes if not row["scene"].startswith("habit"))
    habits = max(row["share"] for row in scenes if row["scene"].startswith("habit"))
    what = f"False alarms in {scenes[0]['audits']:,} audits at the limit ({_percent(result['delta'], 0)} allowed)"
    return what, _percent(ours), f"unanswered audits left out: {_percent(habits, 0)}"


def _crash(result: Result) -> tuple[str, str, str]:
    return f"Acknowledged decisions lost in {result['kills']} kills under load", str(result["lost"]), ""


def _tampering(result: Result) -> tuple[str, str, str]:
    found = result["tampering"]
    what = f"Changes of a log that are found, of {found['mutations']:,}"
    return what, f"{found['found']:,}", "an older copy, a stolen key: only against a checkpoint kept elsewhere"


def _overhead(result: Result) -> tuple[str, str, str]:
    bare = result["cpu_us_a_request"]["bare"]["median"]
    what = f"Processor time the HTTP server adds to a request, {result['connections']} connections"
    return what, f"{result['added_cpu_us']:.0f} µs", f"a bare handler: {bare:.0f} µs"


def _serving(result: Result) -> tuple[str, str, str]:
    rows = {row["server"]: row for row in result["servers"] if "unavailable" not in row}
    at = {name: next(a for a in row["all_cores"] if a["connections"] == 16) for name, row in rows.items()}
    mine = at.pop("rightsized, deployed")
    others = [f"{name}: {a['per_second']:,.0f}/s" for name, a in at.items() if not name.startswith("rightsized")]
    what = "Messages a second over HTTP, 16 connections, recorded (95th percentile)"
    return what, f"{mine['per_second']:,.0f}/s ({mine['p95_ms']:.0f} ms)", "; ".join(others)


def _memory(result: Result) -> tuple[str, str, str]:
    row = max(result["memory"], key=lambda entry: entry["rss_mb_after_load"])
    what = f"Memory of the server with one task of {row['labels']} labels, after {row['requests']:,} requests"
    return what, f"{row['rss_mb_after_load']:.0f} MB", ""


def _explanation(result: Result) -> tuple[str, str, str]:
    methods = result["methods"]
    mine = next(row for name, row in methods.items() if "default" in name and name.startswith("permutation"))
    beside = [f"{name}: {methods[name]['comprehensiveness']:.2f}" for name in ("random", "leave-one-out")]
    what = f"Faithfulness of explanations (comprehensiveness), {result['texts']} messages of {result['data']}"
    return what, f"{mine['comprehensiveness']:.2f}", "; ".join(beside)


def _routing(result: Result) -> tuple[str, str, str]:
    gsm8k = result["tables"]["gsm8k"]
    found, by_prompt = gsm8k["apgr"], gsm8k["routers"]["prompt"]["apgr"]
    what = f"Quality gap recovered by routing (APGR), GSM8K, {gsm8k['rows']:,} questions, the answer read"
    low_high = f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})"
    return what, low_high, f"by the prompt alone: {by_prompt['value']:.2f}; RouteLLM, published: 0.62; chance: 0.50"


def _routing_validity(result: Result) -> tuple[str, str, str]:
    settings, draws = result["cells_tested"], result["draws"]
    what = f"Promises of two and three tiers broken: worst of {settings} settings, {draws:,} draws each (5% allowed)"
    return what, _percent(result["largest_violations"]), ""


def _faults(result: Result) -> tuple[str, str, str]:
    decisions = result["decisions"]
    what = f"Decisions lost or doubled, {result['faults']} faults of model servers in three forms"
    return what, f"{decisions['lost'] + decisions['doubled']} of {decisions['asked']}", ""


def _soak(result: Result) -> tuple[str, str, str]:
    decisions = result["decisions"]
    what = f"Memory growth in {result['minutes']:.0f} minutes of mixed load on the gateway"
    return (
        f"{what}, {result['requests']:,} requests",
        f"{result['growth']:+.1%}; {decisions['lost']} of {decisions['heard']:,} decisions lost",
        "",
    )


def _gateway(result: Result) -> tuple[str, str, str]:
    measured = {row["gateway"]: row["measured"] for row in result["gateways"] if "measured" in row}
    at = {n: next(r for r in rows if r["connections"] == 16 and not r["stream"]) for n, rows in measured.items()}
    mine = at.pop("rightsized")
    beside = [f"{name}: {row['cpu_us']:,.0f} µs" for name, row in at.items() if not name.startswith("rightsized")]
    what = "Processor time of the gateway a request, 16 connections, keys, budget, policy and record on"
    return what, f"{mine['cpu_us']:,.0f} µs", "; ".join(beside)


ROWS = (
    Row("certificate_validity", _validity),
    Row("certificate_validity", _coverage),
    Row("accuracy", _accuracy("banking77, 10 a label", "10 examples a label")),
    Row("accuracy", _accuracy("banking77, all", "all 10,003 examples")),
    Row("ladder", _ladder),
    Row("monitor_delay", _monitor),
    Row("serving", _serving),
    Row("http_overhead", _overhead),
    Row("startup", _memory),
    Row("explanation", _explanation),
    Row("crash", _crash),
    Row("ledger", _tampering),
    Row("routing", _routing),
    Row("routing_validity", _routing_validity),
    Row("gateway", _gateway),
    Row("faults", _faults),
    Row("soak", _soak),
    Row("search", documents.ranking("obliqa", "obliqa")),
    Row("search", documents.ranking("cuad, all contracts, the contract named", "cuad, the contract named")),
    Row("search", documents.ranking("cuad, one contract", "cuad, within one contract")),
    Row("search", documents.ranking("policyqa, one policy", "policyqa, within one policy")),
    Row("search", documents.ranking("cranfield", "cranfield")),
    Row("search_latency", documents.latency),
    Row("search_acl", documents.leaks),
    Row("search_crash", documents.kills),
    Row("long_documents", documents.contexts),
    Row("tar", documents.review),
    Row("tar_recall", documents.stopping),
    Row("triage", triage.labels("clinc150 domains", "10 domains of clinc150")),
    Row("triage", triage.labels("nlupp_banking+hotels", "62 intents of NLU++", "micro_f1")),
    Row("triage_setfit_1000", triage.longer("nlupp_banking+hotels", "62 intents of NLU++")),
    Row("triage", triage.labels("issues_train", "3 kinds of issue reports")),
    Row("triage", triage.automation("clinc150 domains", "10 domains of clinc150")),
    Row("triage_throughput", triage.speed),
    Row("triage_imap", triage.arrival),
    Row("triage_sla", triage.late),
    Row("triage_faults", triage.faults),
)
