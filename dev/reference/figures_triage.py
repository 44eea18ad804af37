"""The rows of the measured table about triage of mail and tickets."""

from __future__ import annotations

from typing import Any

Result = dict[str, Any]
OURS = "rightsized, encoder rung"
PEERS = {"TF-IDF + linear SVM": "TF-IDF + linear SVM", "label names alone (zero labels)": "label names alone"}


def labels(name: str, called: str, figure: str = "accuracy") -> Any:
    """The row of one labelled set: ours with its interval, others on the same rows; SetFit and ours on its one fold."""

    def cells(result: Result) -> tuple[str, str, str]:
        one = result[name]
        measured = {row["method"]: row[figure] for row in one["methods"]}
        beside = [f"{said}: {measured[method]['value']:.3f}" for method, said in PEERS.items()]
        fold = {row["method"]: row[figure]["value"] for row in one["first_fold"]}
        peer = [method for method in fold if method.startswith("SetFit")]
        beside += [f"on one fold {method}: {fold[method]:.3f}, ours: {fold[OURS]:.3f}" for method in peer]
        unit = {"accuracy": "Accuracy", "micro_f1": "F1 of several labels"}[figure]
        what = f"{unit} on messages, {called}, {one['rows']:,} rows, {one['protocol']}"
        return what, _of(measured[OURS]), "; ".join(beside)

    return cells


def longer(name: str, called: str) -> Any:
    """The row of SetFit with more steps, on its one fold."""

    def cells(result: Result) -> tuple[str, str, str]:
        fold = {row["method"]: row for row in result[name]["first_fold"]}
        ours = fold.pop(OURS)["micro_f1"]
        beside = [f"{said}: {row['micro_f1']['value']:.3f} ({row['train_cpu_s']:.0f} s)" for said, row in fold.items()]
        return f"F1 of several labels, {called}, one fold (training, CPU seconds)", _of(ours), "; ".join(beside)

    return cells


def automation(name: str, called: str) -> Any:
    """The row of what is routed without a person, at three certified error budgets."""

    def cells(result: Result) -> tuple[str, str, str]:
        found = [one for one in result[name]["automation"]["cells"] if one["n"] == 1000]
        at = ", ".join(f"{one['epsilon']:.0%}" for one in found)
        kept = " / ".join(f"{one['kept']:.0%}" for one in found)
        best = " / ".join(f"{one['oracle']:.0%}" for one in found)
        worst = max(one["violations"] for one in found)
        what = f"Routed without a person at {at} certified error, {called}, 1,000 test labels"
        return (
            what,
            kept,
            f"with hindsight: {best}; promises broken: at most {worst:.1%} ({found[0]['delta']:.1%} allowed)",
        )

    return cells


def speed(result: Result) -> tuple[str, str, str]:
    """Messages from bytes to a recorded route."""
    what = "Messages a second of processor time, from bytes to a recorded route, two tasks and a summary"
    return what, f"{result['per_cpu_second']:.0f}/s", f"one message, 95th percentile: {result['ms']['p95']:.0f} ms"


def arrival(result: Result) -> tuple[str, str, str]:
    """From a message's arrival in a mailbox to its recorded route."""
    what = f"From arrival by IMAP to a recorded route, 95th percentile of {result['messages']} messages, dovecot"
    return (
        what,
        f"{result['routed_s']['p95']:.2f} s",
        f"until the server tells us: {result['handed_over_s']['p95']:.2f} s",
    )


def late(result: Result) -> tuple[str, str, str]:
    """Late answers in simulated weeks, at the load in the middle."""
    middle = sorted(result["loads"], key=lambda one: one["load"])[len(result["loads"]) // 2]
    said, beside = [], []
    for pattern, one in middle["patterns"].items():
        of = {name: policy["breaches"]["mean"] for name, policy in one["policies"].items()}
        said.append(f"{pattern}: {of['ours']:.1f}")
        beside.append(f"{pattern}: {of['first_come']:.1f}, {of['keyword_rules']:.1f}")
    what = f"Late answers in a simulated week, {result['people']} people, load {middle['load']:g}"
    return what, "; ".join(said), f"first come first served, keyword rules: {'; '.join(beside)}"


def faults(result: Result) -> tuple[str, str, str]:
    """What faults of mailboxes and processes did to messages."""
    total = result["total"]
    what = f"Messages lost, handled twice or marked early under faults, of {total['messages']:,}"
    return what, f"{total['lost']}, {total['handled_twice']}, {total['marked_unrecorded']}", ""


def _of(figure: Result) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"
