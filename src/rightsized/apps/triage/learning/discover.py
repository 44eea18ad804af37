"""New labels proposed: groups of messages that no label fits, with their words and examples. Nothing is created here.

Looked at are messages that every tier abstained on and those a person labelled `out_of_scope`. A message with enough
close neighbours makes a group with them (DBSCAN: Ester et al., 1996); groups that lie as near to a known label as its
own examples do are that label's hard cases, and are left out. A group is named by its most telling words; what it means
is for a person to say.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from rightsized.apps.triage.learning.ask import vectors_of
from rightsized.apps.triage.learning.choose import Floats
from rightsized.apps.triage.learning.records import NewLabel, Word
from rightsized.core.protocols import Progress, no_progress
from rightsized.core.types import Task
from rightsized.explain.neighbours import open_examples
from rightsized.ledger.reader import LedgerReader
from rightsized.store.home import Home
from rightsized.tasks.dataset import OUT_OF_SCOPE
from rightsized.tasks.learnable import unlabelled
from rightsized.tasks.queue import ReviewQueue
from rightsized.tasks.versions import TaskStore

NEWEST = 5_000  # messages looked at
NEARNESS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)  # cosines at which two messages are neighbours, tried in turn
SLACK = 0.1  # by how much members may be less alike on average than neighbours are
FEWEST = 5  # messages of a group, and neighbours (itself included) that make a message its core
NEAREST = 5  # examples of a label that a message is compared with
KNOWN = 0.9  # of a group, this share nearer to one label than its own examples are: that label's hard cases
WORDS, EXAMPLES = 5, 5
_WORD = re.compile(r"[^\W\d_]{3,}")
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "the and for you your with this that from have has had not are was were can could would will please what when "
        "how why who where which our out any all but just get got did does don about into than then there they them "
        "been being hello thanks thank regards dear its also one still",
    )
)


def discover(home: Home, task: str, *, most: int = 10, progress: Progress = no_progress) -> list[NewLabel]:
    """Proposed labels, the largest group first.

    Raises NotFoundError: no such task, or nothing is on record.
    """
    store = TaskStore(home)
    folder = store.folder(task, store.current(task))
    known = store.read(task, "task.json", Task)
    texts, decisions = _unfit(home, task)
    if len(texts) < FEWEST:
        return []
    examples = open_examples(folder)
    both = vectors_of(home, known, [*texts, *examples.texts], progress)
    vectors, old = both[: len(texts)], both[len(texts) :]
    found = propose(texts, vectors, examples.texts, examples.labels, old)
    named = [_with_decisions(one, rows, decisions) for one, rows in found]
    return named[:most]


def _unfit(home: Home, task: str) -> tuple[list[str], list[str]]:
    """Texts that no label fits as far as is known, each once, and their decisions."""
    with LedgerReader(home.decisions) as reader:
        waiting = [m for m in unlabelled(reader, task, NEWEST) if m.reply.status == "abstained"]
        outside = [row for row in ReviewQueue(reader).training_rows(task) if row.label == OUT_OF_SCOPE]
    by_text = {message.text or "": message.decision for message in waiting}
    by_text |= {row.text: row.decision for row in outside}
    return list(by_text), list(by_text.values())


def propose(
    texts: Sequence[str], vectors: Floats, known: Sequence[str], labels: Sequence[str], known_vectors: Floats
) -> list[tuple[NewLabel, list[int]]]:
    """Groups of the texts that are no known label's, with the rows of each.

    Args:
        texts, vectors: messages that no label fits, and float32 (n, dimension) unit vectors.
        known, labels, known_vectors: labelled examples.
    """
    nearness, nearest = _nearness(vectors, labels, known_vectors)
    usual = _usual(labels, known_vectors)
    rows_of = _groups(vectors)
    background = Counter(word for text in known for word in _words(text))
    found = []
    for rows in sorted(rows_of, key=len, reverse=True):
        names = Counter(nearest[row] for row in rows)
        name, count = names.most_common(1)[0]
        at_home = np.mean([nearness[row] >= usual[name] for row in rows if nearest[row] == name])
        if count >= KNOWN * len(rows) and at_home >= 0.5:
            continue
        found.append((_proposal(texts, vectors, rows, background, name), rows))
    return found


def _groups(vectors: Floats) -> list[list[int]]:
    """Rows of each group, found at the loosest nearness at which the group still holds together.

    A chain of neighbours is no group: where the members are less alike on average than neighbours must be, less SLACK,
    they are grouped again more strictly.
    """
    found, left = list[list[int]](), [np.arange(len(vectors))]
    for near in NEARNESS:
        loose = list[NDArray[np.intp]]()
        for rows in left:
            among = vectors[rows] @ vectors[rows].T
            for members in _connected(among >= near):
                count = len(members)
                alike = (among[np.ix_(members, members)].sum() - count) / (count * (count - 1))
                if alike >= near - SLACK:
                    found.append(rows[members].tolist())
                else:
                    loose.append(rows[members])
        left = loose
    return found


def _connected(near: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Cores that are neighbours of one another, and what lies next to a core; FEWEST rows or more each."""
    core = near.sum(axis=1) >= FEWEST
    group = np.full(len(near), -1)
    count = 0
    for start in np.flatnonzero(core).tolist():
        if group[start] >= 0:
            continue
        reached, edge = np.zeros(len(near), np.bool_), [start]
        reached[start] = True
        while edge:
            row = edge.pop()
            fresh = near[row] & ~reached & (group < 0)
            reached |= fresh
            edge += np.flatnonzero(fresh & core).tolist()
        group[reached] = count
        count += 1
    return [rows for k in range(count) if len(rows := np.flatnonzero(group == k)) >= FEWEST]


def _nearness(vectors: Floats, labels: Sequence[str], known: Floats) -> tuple[NDArray[np.float64], list[str]]:
    """Mean cosine of each row to the nearest examples of its nearest label, and that label."""
    names = sorted(set(labels))
    own = np.array(labels)
    table = np.stack([_mean_nearest(vectors @ known[own == name].T) for name in names], axis=1)
    return table.max(axis=1), [names[k] for k in table.argmax(axis=1)]


def _usual(labels: Sequence[str], known: Floats) -> dict[str, float]:
    """Of each label: what a quarter of its own examples do not reach in nearness to the others."""
    own, found = np.array(labels), dict[str, float]()
    for name in sorted(set(labels)):
        vectors = known[own == name]
        among = vectors @ vectors.T
        np.fill_diagonal(among, -1.0)
        found[name] = float(np.quantile(_mean_nearest(among), 0.25)) if len(vectors) > 1 else 1.0
    return found


def _mean_nearest(cosines: Floats) -> NDArray[np.float64]:
    count = min(NEAREST, cosines.shape[1])
    top = np.partition(cosines, -count, axis=1)[:, -count:]
    mean: NDArray[np.float64] = top.mean(axis=1, dtype=np.float64)
    return mean


def _proposal(
    texts: Sequence[str], vectors: Floats, rows: list[int], background: Counter[str], nearest: str
) -> NewLabel:
    centre = vectors[rows].mean(axis=0)
    closeness = vectors[rows] @ (centre / np.linalg.norm(centre))
    order = np.argsort(-closeness, kind="stable")
    words = _telling([texts[row] for row in rows], background)
    return NewLabel(
        name="_".join(one.word for one in words[:3]) or "unnamed",
        n=len(rows),
        words=words,
        examples=tuple(texts[rows[i]] for i in order[:EXAMPLES]),
        decisions=(),
        similarity=float(closeness.mean()),
        nearest_label=nearest,
    )


def _with_decisions(label: NewLabel, rows: list[int], decisions: Sequence[str]) -> NewLabel:
    return msgspec.structs.replace(label, decisions=tuple(decisions[row] for row in rows))


def _telling(texts: Sequence[str], background: Counter[str]) -> tuple[Word, ...]:
    """Words that stand in a third of the texts at least and are rarer elsewhere, by the ratio of their shares."""
    counts = Counter(word for text in texts for word in set(_words(text)))
    total, elsewhere = len(texts), max(1, sum(background.values()))
    lifts = {
        word: (count / total) / ((background[word] + 1) / elsewhere)
        for word, count in counts.items()
        if count >= max(2, total / 3)
    }
    best = sorted(lifts, key=lambda word: (-counts[word] * np.log(lifts[word]), word))[:WORDS]
    return tuple(Word(word, float(lifts[word])) for word in best)


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if word not in _COMMON]
