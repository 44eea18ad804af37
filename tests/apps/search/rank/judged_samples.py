"""A judged collection made up by rule: contracts that each answer the same questions in words of their own."""

from __future__ import annotations

from rightsized.apps.search.evaluate.beir import Judged, Question, Row

TOPICS = {
    "rent": ("What must be paid each month?", "The tenant owes {n} euros on the first day."),
    "end": ("How can it be terminated?", "Either side may leave with {n} weeks of notice."),
    "law": ("Which law governs?", "This deed is read under the statutes of province {n}."),
    "pets": ("Are animals allowed?", "Dogs above {n} kilograms stay outside."),
}
FILLERS = 8


def judged(contracts: int = 12) -> Judged:
    """`contracts` documents of twelve passages, each asked four questions."""
    rows, questions, grades = [], [], {}
    for number in range(contracts):
        document = f"c{number:02}"
        texts = [answer.format(n=number + 3) for _, answer in TOPICS.values()]
        texts += [f"Clause {i} about it, each month of what must be, in part {number}." for i in range(FILLERS)]
        texts = texts[number % 12 :] + texts[: number % 12]
        rows += [Row(f"{document}#{i}", text, "", document, {"doc": document}) for i, text in enumerate(texts)]
        for topic, (asked, answer) in TOPICS.items():
            identifier = f"{document}-{topic}"
            questions.append(Question(identifier, asked, {"doc": document, "name": f"contract {document}"}))
            grades[identifier] = {f"{document}#{texts.index(answer.format(n=number + 3))}": 1}
    return Judged("made", tuple(rows), tuple(questions), grades)
