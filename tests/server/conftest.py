"""Fixtures: a running server for a module, and servers of a test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from fake_service import FakeService
from live_server import Client, running


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with running(FakeService(), max_body_mb=0.05) as made:
        yield made


@pytest.fixture
def start() -> Iterator[Callable[..., Client]]:
    """Starts a server of the test's own."""
    with ExitStack() as stack:
        yield lambda service, **settings: stack.enter_context(running(service, **settings))
