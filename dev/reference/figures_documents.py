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
