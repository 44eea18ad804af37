"""Which words moved the answer: Shapley contributions in log-odds. Asks a score function; runs no model itself.

A word that is absent is removed from the text, not masked: on banking77 both rank words equally well within the
noise, and what is left stays a text. Short texts are explained word by word. Long texts are explained block by
block; the blocks that matter are opened into sentences, phrases and words while the budget lasts.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.core.errors import InputError
from rightsized.core.types import Contribution, Explanation
from rightsized.explain import shapley
from rightsized.explain.game import Options, Score, TextGame
from rightsized.explain.segments import Node, gathered, tree, words

OPENING_SHARE = 0.5  # a block is opened where its contribution is at least this share of the largest
FLAT_PAIRS = 2  # a text that cannot have this many pairs word by word is explained by blocks first
TURNS = (0.0, 0.5, 0.25, 0.75)  # of one drawn order, as shares of its length; the first ones are the most apart
LEAST_EVALUATIONS = 2  # the empty text and the whole one
LEAST_PAIR = 2  # evaluations of an order of two blocks and its reverse, the two ends being known


class _Shares(NamedTuple):
    method: str
    parts: Sequence[Node]
    values: NDArray[np.float64]


def explain_words(text: str, score: Score, options: Options | None = None, *, label: str = "") -> Explanation:
    """Share f(text) - f(empty) out over the words of `text`.

    Args:
        text: any text; an empty one has no contributions.
        score: texts to the log-odds of the explained label: float64, shape (n,). Must be the serving arithmetic.
        options: the cost allowed; default four antithetic pairs and at most 256 evaluations.
        label: copied into the result.
    Returns:
        Contributions in the order of the text. Under a Shapley method they add up to `total`; leave-one-out, used
        where the budget allows nothing else, does not, and `method` says by how much.
    Raises:
        InputError: the score is not finite, or the budget is below two evaluations.
    """
    options = options or Options()
    if options.max_evaluations < LEAST_EVALUATIONS or options.pairs < 1:
        raise InputError(
            f"An explanation with {options.max_evaluations} evaluations and {options.pairs} pairs is not possible.",
            fix=f"Allow at least {LEAST_EVALUATIONS} evaluations and one pair.",
        )
    game = TextGame(text, score, options)
    base, full = game.ends()
    shares = _share_out(text, full - base, game, options)
    return Explanation(
        label=label,
        method=shares.method,
        contributions=tuple(
            Contribution(text[part.start : part.end], part.start, part.end, float(value))
            for part, value in zip(shares.parts, shares.values, strict=True)
        ),
        base=base,
        total=full - base,
        evaluations=game.evaluations,
        latency_ms=game.elapsed_ms(),
    )


def _share_out(text: str, total: float, game: TextGame, options: Options) -> _Shares:
    """The best method that the budget allows."""
    parts, left = words(text), game.left()
    n = len(parts)
    if n < 2:
        return _Shares("exact Shapley", parts, np.full(n, total))
    a_pair = 2 * (n - 1)
    if 2**n - 2 <= min(left, options.pairs * a_pair):
        return _Shares("exact Shapley", parts, shapley.exact(n, game.over(parts)))
    if left // a_pair >= min(FLAT_PAIRS, options.pairs):
        return _permuted(_Frontier(Node(0, len(text), parts), text), game, options)
    frontier = _Frontier(tree(text), text)
    if frontier.has_blocks and frontier.cost_of_pair <= left:
        return _by_blocks(frontier, game, options)
    if a_pair <= left:
        return _permuted(_Frontier(Node(0, len(text), parts), text), game, options)
    if n <= left:
        return _leave_one_out(parts, total, game)
    if left >= LEAST_PAIR:
        return _by_blocks(_Frontier(gathered(tree(text), 1 + int(left) // 2), text), game, options)
    return _Shares("whole text (no budget for its parts)", (Node(parts[0].start, parts[-1].end),), np.array([total]))


class _Frontier:
    """The parts of a text in play: a tree opened so far, and random orders that keep each opened block together."""

    def __init__(self, root: Node, text: str) -> None:
        self._root = root
        self._opened = {root}
        self._drawn: dict[Node, list[Node]] = {}
        self._pairs = 0
        seed = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8]
        self._random = random.Random(int.from_bytes(seed, "big"))  # noqa: S311 - sampling, not a secret

    @property
    def leaves(self) -> list[Node]:
        return self._below(self._root, lambda node: node.children)

    @property
    def has_blocks(self) -> bool:
        return any(leaf.children for leaf in self.leaves)

    @property
    def cost_of_pair(self) -> int:
        """Evaluations of one antithetic pair; the two ends are known already."""
        return 2 * (len(self.leaves) - 1)

    def open(self, nodes: Sequence[Node]) -> None:
        self._opened.update(nodes)

    def pair(self) -> list[shapley.Order]:
        """An order of the leaves and its reverse. Four in a row are turns of one random order, then a new one is drawn.

        Turns put each part early, midway and late: measured, a quarter less squared error than four separate orders.
        """
        share = TURNS[self._pairs % len(TURNS)]
        if share == 0.0:
            self._drawn.clear()
        self._pairs += 1
        position = {leaf: index for index, leaf in enumerate(self.leaves)}
        turned = self._below(self._root, lambda node: self._turn(node, share))
        return shapley.with_reverse([tuple(position[leaf] for leaf in turned)])

    def _turn(self, node: Node, share: float) -> Sequence[Node]:
        if node not in self._drawn:
            self._drawn[node] = self._random.sample(node.children, len(node.children))
        drawn = self._drawn[node]
        at = int(share * len(drawn))
        return drawn[at:] + drawn[:at]

    def _below(self, node: Node, children: Callable[[Node], Sequence[Node]]) -> list[Node]:
        if node not in self._opened:
            return [node]
        return [leaf for child in children(node) for leaf in self._below(child, children)]


def _permuted(frontier: _Frontier, game: TextGame, options: Options, done: Sequence[shapley.Order] = ()) -> _Shares:
    """Mean over up to `pairs` pairs of orders, `done` ones (already paid for) included; at least one pair."""
    leaves = frontier.leaves
    orders = list(done)
    at_once = options.pairs if options.budget_ms is None else 1
    while len(orders) < 2 * options.pairs:
        more = min(at_once, options.pairs - len(orders) // 2, int(game.left() // max(1, frontier.cost_of_pair)))
        if more < 1 and orders:
            break
        orders += [order for _ in range(max(1, more)) for order in frontier.pair()]
        shapley.along(orders, game.over(leaves))
    pairs = len(orders) // 2
    by = "block Shapley" if done else "permutation Shapley"
    method = f"{by}, {pairs} antithetic pair{'s' if pairs > 1 else ''}"
    return _Shares(method, leaves, shapley.along(orders, game.over(leaves)))


def _by_blocks(frontier: _Frontier, game: TextGame, options: Options) -> _Shares:
    """One pair over the blocks; open those that matter; again, until no block that matters can be afforded."""
    while True:
        leaves, orders = frontier.leaves, frontier.pair()
        size = np.abs(shapley.along(orders, game.over(leaves)))
        chosen = _worth_opening(leaves, size, game.left())
        if not chosen:
            return _permuted(frontier, game, options, orders)
        frontier.open(chosen)


def _worth_opening(leaves: Sequence[Node], size: NDArray[np.float64], left: float) -> list[Node]:
    """The largest blocks first, as many as leave room for two pairs of orders over all that is then in play."""
    players, chosen = len(leaves), []
    for index in np.argsort(-size, kind="stable"):
        leaf = leaves[index]
        opened = players + len(leaf.children) - 1
        if leaf.children and size[index] >= OPENING_SHARE * size.max() and 2 * 2 * (opened - 1) <= left:
            chosen.append(leaf)
            players = opened
    return chosen


def _leave_one_out(players: Sequence[Node], total: float, game: TextGame) -> _Shares:
    n = len(players)
    without = [tuple(player != absent for player in range(n)) for absent in range(n)]
    scores = game.over(players)([(True,) * n, *without])
    values = scores[0] - scores[1:]
    return _Shares(f"leave-one-out (sum differs from the total by {values.sum() - total:+.2f})", players, values)
