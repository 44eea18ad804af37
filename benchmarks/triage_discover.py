"""New labels proposed: are labels that were left out found as groups of their own, and how many groups are none?

    python -m benchmarks.triage_discover --json [--data PATH]

banking77: 8 of 77 labels are left out of the examples. Looked at are all test messages of those 8, and 160 drawn from
the others, as messages that a model abstained on. A left-out label is found where a proposed group holds 70% or more of
its messages alone; a group is false where no left-out label has 70% of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks import harness, models
from benchmarks.harness import note
from rightsized.apps.triage.learning.discover import propose

LEFT_OUT, OTHERS, PURE, DRAWS, QUICK_DRAWS = 8, 160, 0.7, 10, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """All draws of left-out labels."""
    given = harness.options("triage_discover", __doc__ or "", arguments=arguments)
    train, test = harness.banking77(given.data, "train"), harness.banking77(given.data, "test")
    encoder = models.encoder(sessions=1)
    vectors, held = models.vectors(encoder, train[0]), models.vectors(encoder, test[0])
    encoder.close()
    draws: list[dict[str, Any]] = []
    for seed in range(QUICK_DRAWS if given.quick else DRAWS):
        note(f"draw {seed + 1}")
        random = np.random.default_rng(seed)
        out = set(random.choice(sorted(set(train[1])), LEFT_OUT, replace=False).tolist())
        known = [row for row, label in enumerate(train[1]) if label not in out]
        unfit = [row for row, label in enumerate(test[1]) if label in out]
        rest = [row for row, label in enumerate(test[1]) if label not in out]
        unfit += random.choice(rest, OTHERS, replace=False).tolist()
        texts, labels = [train[0][row] for row in known], [train[1][row] for row in known]
        found = propose([test[0][row] for row in unfit], held[unfit], texts, labels, vectors[known])
        groups = [Counter(test[1][unfit[row]] for row in rows).most_common(1)[0] for _, rows in found]
        sizes = [len(rows) for _, rows in found]
        pure = [label in out and n >= PURE * size for (label, n), size in zip(groups, sizes, strict=True)]
        named = {label for (label, _), own in zip(groups, pure, strict=True) if own}
        draws.append({"found": len(named), "of": LEFT_OUT, "groups": len(found), "false": pure.count(False)})
    mean = {name: float(np.mean([one[name] for one in draws])) for name in ("found", "groups", "false")}
    lines = [f"found {mean['found']:.1f} of {LEFT_OUT}; {mean['groups']:.1f} groups, {mean['false']:.1f} of them false"]
    return harness.finish(given, {"mean": mean, "draws": draws}, lines)


if __name__ == "__main__":
    raise SystemExit(main())
