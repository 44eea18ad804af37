"""What some articles of law ask of a record, what this report shows of it, and what it does not.

A reading aid for a compliance officer, not legal advice: whether a law applies, and whether all of it is met, this
software cannot know. Sources: Regulation (EU) 2024/1689 (AI Act), Regulation (EU) 2016/679 (GDPR), 45 CFR 164.312.
"""

from __future__ import annotations

from collections.abc import Callable

from rightsized.core.frozen import Frozen
from rightsized.tasks.compliance.records import AuditReport

DAY_S = 86_400.0
SIX_MONTHS_DAYS = 183


class Provision(Frozen, frozen=True):
    """One article: what it asks, what is shown (with this period's figures), and what is not covered.

    `sections` are anchors of the page where the figures stand.
    """

    law: str
    article: str
    title: str
    asks: str
    shows: str
    missing: str
    sections: tuple[str, ...]


def provisions(report: AuditReport) -> tuple[Provision, ...]:
    """Every article that the report speaks to, with the figures of its period."""
    return tuple(make(report) for make in _ALL)


def _record_keeping(report: AuditReport) -> Provision:
    return Provision(
        "EU AI Act",
        "Art. 12",
        "Record-keeping",
        "A high-risk system records events over its lifetime by itself, so that risks can be traced and its operation "
        "be monitored.",
        f"{_n(report.outcomes.requests, 'request')} of this period {_are(report.outcomes.requests)} on record, each "
        "with the versions, models and thresholds that led to its outcome, the rules that spoke and the time. "
        f"{_unaltered(report)}",
        "Whether the system is high-risk. What other software did with the answers. Requests while recording was "
        "switched off.",
        ("record", "tasks", "models"),
    )


def _transparency(report: AuditReport) -> Provision:
    certified = sum(one.in_force and one.state == "certified" for one in report.certificates)
    return Provision(
        "EU AI Act",
        "Art. 13",
        "Transparency towards deployers",
        "Instructions say what the system can do, how accurate it is, where its limits are and how its logs are read.",
        f"{_n(certified, 'promise')} in force with a tested error rate and the conditions under which it holds; "
        f"{_n(len(report.models), 'model card')} with source, licence and languages.",
        "The instructions for use of your own product. The makers' documents of models behind an address.",
        ("promises", "models"),
    )


def _human_oversight(report: AuditReport) -> Provision:
    done = report.oversight
    return Provision(
        "EU AI Act",
        "Art. 14",
        "Human oversight",
        "People can understand the output, watch the system, disregard or overrule it, and stop it.",
        f"{_n(report.outcomes.to_person, 'request')} went to a person; people decided {done.decided:,}, looked again "
        f"at {done.audits:,} without seeing the model's answer, and said other than the model {done.overrides:,} "
        "times. Each answer can be explained word by word; an alarm stops answers by default.",
        "Whether the people were trained and had the time. Orders given outside this software.",
        ("people", "events"),
    )


def _logs_kept(report: AuditReport) -> Provision:
    return Provision(
        "EU AI Act",
        "Art. 19",
        "Logs kept by the provider",
        "Logs that the system makes by itself are kept for at least six months, unless other law says otherwise.",
        _age(report),
        "Backups, and copies kept elsewhere. Texts are deleted by age; the decision and its digest stay.",
        ("record",),
    )


def _deployers(report: AuditReport) -> Provision:
    return Provision(
        "EU AI Act",
        "Art. 26",
        "Obligations of deployers",
        "Use by the instructions, oversight by competent people, monitoring, logs kept for at least six months, and "
        "people told that they are subject to it.",
        f"{_n(len(_alarms(report)), 'alarm')} in this period; {report.outcomes.audited:,} requests drawn for audits by "
        f"a coin. {_age(report)}",
        "Telling workers and the people concerned. The check that input data suit the purpose.",
        ("events", "people", "record"),
    )


def _audit_controls(report: AuditReport) -> Provision:
    health = report.classes.get("health", 0)
    return Provision(
        "HIPAA",
        "45 CFR 164.312(b)",
        "Audit controls",
        "Mechanisms record and examine activity in systems that hold electronic protected health information.",
        f"{_n(health, 'request')} held health data, by declaration or detection. Who asked (key and tenant), which "
        "models saw the text, where it went and which rule allowed it are on record for each. "
        f"{sum(one.times for one in report.looked):,} times somebody was shown recorded texts; each is on record.",
        "Access to this machine's files by its own administrators. Other systems with the same information.",
        ("classes", "egress", "rules", "looked"),
    )


def _access(report: AuditReport) -> Provision:
    return Provision(
        "GDPR",
        "Art. 15",
        "Right of access",
        "A person may learn which data about them are processed, for what, to whom they went, and, where decisions are "
        "made by machine, meaningful information about the logic involved.",
        "Decisions can be searched and exported, with texts as long as they are kept, the hosts that they were sent "
        "to, and for each classification the words that moved it: rightsized decisions show ID, GET "
        "/v1/decisions/ID/explanation.",
        "Finding a person whose requests carried no subject, tenant or key. Data in other systems.",
        ("egress", "classes"),
    )


def _erasure(report: AuditReport) -> Provision:
    erased = sum(event.kind == "erased" for event in report.events)
    return Provision(
        "GDPR",
        "Art. 17",
        "Right to erasure",
        "A person's data are erased without undue delay where the conditions are met.",
        f"{_n(erased, 'erasure')} in this period. Erasing destroys the key under which a subject's texts are kept; the "
        f"record and its proofs stay whole. Texts are deleted after {report.log.text_days:g} days in any case, those "
        f"that may train after {report.log.labelled_text_days:g}.",
        "Backups made before. What was sent to another host. Models fitted on the texts: fit them again.",
        ("events", "record"),
    )


def _automated_decisions(report: AuditReport) -> Provision:
    done = report.oversight
    return Provision(
        "GDPR",
        "Art. 22",
        "Automated decisions",
        "Nobody is subject to a decision with legal or similar effect made by machine alone, save where the law allows "
        "it; then a person can step in and the decision be contested.",
        f"{_n(report.outcomes.answered, 'request')} {_were(report.outcomes.answered)} answered by a model, "
        f"{report.outcomes.to_person:,} left to a person. {done.corrections:,} corrections came after an answer, "
        f"{done.retracted:,} labels were taken back.",
        "Whether an answer has such an effect: that depends on what is done with it.",
        ("tasks", "people"),
    )


_ALL: tuple[Callable[[AuditReport], Provision], ...] = (
    _record_keeping,
    _transparency,
    _human_oversight,
    _logs_kept,
    _deployers,
    _audit_controls,
    _access,
    _erasure,
    _automated_decisions,
)


def _alarms(report: AuditReport) -> list[str]:
    return [event.kind for event in report.events if event.kind in ("alarm", "stricter-alarm")]


def _age(report: AuditReport) -> str:
    """How far back the record goes, and whether that is six months yet."""
    if report.log.first is None:
        return "Nothing is on record yet."
    days = (report.created - report.log.first) / DAY_S
    reach = (
        f"The record goes back {days:,.0f} {'day' if round(days) == 1 else 'days'}; no decision in it was ever deleted."
    )
    return reach if days >= SIX_MONTHS_DAYS else f"{reach} Six months are not reached yet."


def _unaltered(report: AuditReport) -> str:
    if report.log.unaltered is None:
        return "Whether it was altered was not checked for this report."
    if report.log.unaltered:
        return f"All {report.log.entries:,} entries are those that were signed."
    return f"The check found {_n(len(report.log.findings), 'thing')} wrong with the record."


def _n(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
