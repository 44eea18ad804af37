from __future__ import annotations

import pickle

import rightsized.core.errors as errors
from rightsized.core.errors import MissingExtraError, RightsizedError


def tree() -> list[type[RightsizedError]]:
    found: list[type[RightsizedError]] = [RightsizedError]
    for kind in found:
        found.extend(child for child in kind.__subclasses__() if child.__module__ == errors.__name__)
    return found


def test_the_drawn_tree_names_every_error() -> None:
    assert [kind.__name__ for kind in tree() if kind.__name__ not in (errors.__doc__ or "")] == []


def test_codes_are_distinct() -> None:
    codes = {kind("x").code for kind in tree()}
    assert len(codes) == len(tree())
    assert errors.NotFoundError("x").code == "not-found"


def test_message_and_fix_survive_a_process_boundary() -> None:
    for kind in tree():
        error = pickle.loads(pickle.dumps(kind("what", fix="how")))
        assert (type(error), error.message, error.fix) == (kind, "what", "how")


def test_missing_extra_names_the_command() -> None:
    assert "pip install 'rightsized[hub]'" in str(MissingExtraError("x", extra="hub"))
