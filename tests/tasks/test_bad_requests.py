"""Texts that cannot be answered are refused with a sentence, and the service goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rightsized.core.config import Config, EngineConfig
from rightsized.core.errors import InputError, NotFoundError, RightsizedError
from rightsized.tasks.service import open_service

pytestmark = pytest.mark.needs_encoder


@pytest.mark.parametrize(
    ("task", "text", "error", "words"),
    [
        ("support", "", InputError, "The text is empty."),
        ("support", " \n\t\u00a0", InputError, "The text is empty."),
        ("support", "a" * 501, InputError, "501 characters; 500 is the most"),
        ("support", "half a pair: \ud83d", InputError, "Unicode"),
        ("nowhere", "hello", NotFoundError, "There is no task 'nowhere'. Tasks here: support"),
    ],
)
def test_refused(fitted_home: Path, task: str, text: str, error: type[RightsizedError], words: str) -> None:
    async def ask() -> None:
        config = Config(home=str(fitted_home), engine=EngineConfig(max_text_chars=500))
        async with open_service(config, purpose="test", record=False) as service:
            with pytest.raises(error, match=words):
                await service.classify(task, text)
            assert (await service.classify("support", "Where is my parcel?")).task == "support"

    asyncio.run(ask())
