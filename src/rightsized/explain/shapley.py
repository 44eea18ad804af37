"""Shapley values of a set function, exactly or by antithetic permutations. Knows nothing of texts.

A game is a function of coalitions (tuples of booleans, one a player). Values always add up to
v(all) - v(none) up to rounding, because each walk from none to all is a telescoping sum.

Sources: Shapley 1953; Castro, Gomez, Tejada 2009 (permutation sampling); Mitchell, Cooper, Frank, Holmes 2022
(antithetic permutations); Owen 1977 (players in nested groups: only orders that keep a group together).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import factorial

import numpy as np
from numpy.typing import NDArray

Coalition = tuple[bool, ...]
Game = Callable[[Sequence[Coalition]], NDArray[np.float64]]
Order = Sequence[int]


def exact(players: int, game: Game) -> NDArray[np.float64]:
    """Shapley values from all 2**players coalitions: float64, shape (players,)."""
    size = 1 << players
    coalitions = [tuple(bool(code >> player & 1) for player in range(players)) for code in range(size)]
    values = game(coalitions)
    counts = np.array([code.bit_count() for code in range(size)])
    weights = np.array([factorial(s) * factorial(players - s - 1) / factorial(players) for s in range(players)])
    codes = np.arange(size)
    result = np.zeros(players)
    for player in range(players):
        without = codes[(codes >> player & 1) == 0]
        result[player] = np.sum(weights[counts[without]] * (values[without | (1 << player)] - values[without]))
    return result


def walk(order: Order) -> list[Coalition]:
    """The coalitions met when players join in this order, from none to all."""
    present = [False] * len(order)
    met = [tuple(present)]
    for player in order:
        present[player] = True
        met.append(tuple(present))
    return met


def along(orders: Sequence[Order], game: Game) -> NDArray[np.float64]:
    """Mean marginal contribution of each player over the given orders: float64, shape (players,).

    All coalitions of all orders are asked for in one call, so that the game can batch them.
    """
    players = len(orders[0])
    values = game([coalition for order in orders for coalition in walk(order)])
    total = np.zeros(players)
    for row, order in zip(values.reshape(len(orders), players + 1), orders, strict=True):
        for player, (before, after) in zip(order, pairwise(row), strict=True):
            total[player] += after - before
    return total / len(orders)


def with_reverse(orders: Sequence[Order]) -> list[Order]:
    """Each order and its reverse: errors of the one are opposed to those of the other."""
    return [turned for order in orders for turned in (order, tuple(reversed(order)))]
