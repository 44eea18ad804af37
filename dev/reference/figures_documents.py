"""The rows of the measured table about document search."""

from __future__ import annotations

from typing import Any

Result = dict[str, Any]
PEERS = ("txtai", "haystack", "RRF of bm25s and MiniLM", "bm25s", "MiniLM alone")


def ranking(name: str, called: str) -> Any:
    """The row of one judged set: nDCG@10 of ours with its interval, and of others on the same questions.

    A peer that was asked fewer questions is left out: its figure stands in the result file.
    """

    def cells(result: Result) -> tuple[str, str, str]:
        one = result["sets"][name]
        measured = {of: rows["ndcg@10"] for of, rows in one["configurations"].items()}
        mine = measured["rightsized"]
        beside = [f"{of}: {measured[of]['mean']:.3f}" for of in PEERS if measured.get(of, {}).get("n") == mine["n"]]
        what = f"nDCG@10 of document search, {called}, {mine['n']:,} questions"
        return what, f"{mine['mean']:.3f} ({mine['low']:.3f} to {mine['high']:.3f})", "; ".join(beside)

    return cells


def latency(result: Result) -> tuple[str, str, str]:
    """The 95th percentile at each size, for askers who see everything and half."""
    sizes = [one for name, one in result.items() if name.startswith("p1")]
    said = [
        f"{one['passages']:,}: {one['everything']['whole']['p95']:.0f} ms ({one['half']['whole']['p95']:.0f} ms)"
        for one in sizes
    ]
    what = "Search among so many synthetic passages, 95th percentile, all visible (half), question encoded already"
    return what, "; ".join(said), ""


def leaks(result: Result) -> tuple[str, str, str]:
    """What an asker could see of what is hidden from them."""
    triples = result["triples"]
    what = f"Leaks in {triples['triples']:,} random triples of user, document and question"
    return what, str(triples["leaks"]), ""


def kills(result: Result) -> tuple[str, str, str]:
    """What kills of a sync left behind."""
    wrong = result["findings"] + result["files_missing_at_the_end"] + result["documents_too_many_at_the_end"]
    return f"Faults of a collection after {result['kills']} kills of its sync", str(wrong), ""


def contexts(result: Result) -> tuple[str, str, str]:
    """How much of what answers is in a context of 2,048 tokens made of a long contract."""
    measured = result["contexts"]["reported, contracts of 10,000 tokens and more"]
    whole = {name: rows["2048"]["whole"] for name, rows in measured.items() if isinstance(rows, dict)}
    mine = whole.pop("rightsized")
    beside = {"lead": "the first 2,048 tokens", "BM25 alone": "BM25", "haystack, 120 words, 30 shared": "haystack"}
    what = f"Clauses asked for that are whole in 2,048 tokens of a contract of 10,000 and more, {mine['n']} questions"
    said = [f"{called}: {whole[name]['mean']:.0%}" for name, called in beside.items() if name in whole]
    return what, f"{mine['mean']:.0%} ({mine['low']:.0%} to {mine['high']:.0%})", "; ".join(said)


def review(result: Result) -> tuple[str, str, str]:
    """Documents that somebody reads until so much of what is responsive has been found."""
    read = {order["name"]: order["from all"] for order in result["orders"]}
    mine = read.pop("rightsized")
    expected = result["random order, expected, mean"]
    what = f"Of {result['documents']:,} documents, read until 80% (95%) of the responsive ones are found"
    peers = [f"{name}: {one['80% mean']:,.0f} ({one['95% mean']:,.0f})" for name, one in read.items()]
    chance = f"random order: {expected['80%']:,.0f} ({expected['95%']:,.0f})"
    return what, f"{mine['80% mean']:,.0f} ({mine['95% mean']:,.0f})", "; ".join([*peers, chance])


def stopping(result: Result) -> tuple[str, str, str]:
    """How often a review is certified to have found more than it has."""
    rates = result["largest rate of false certificates"]
    what = f"False certificates of {result['target']:.0%} recall after many samples, worst setting, 5% allowed"
    beside = f"looks not paid for: {rates['looks not paid for']:.1%}; point estimate: {rates['point estimate']:.1%}"
    return what, f"{rates['rightsized']:.1%}", beside
