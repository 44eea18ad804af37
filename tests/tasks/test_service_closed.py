"""A service that was closed is gone at once, with its models: not when Python's collector of cycles next looks."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path

import pytest

from rightsized.core.config import EngineConfig
from rightsized.core.errors import BusyError
from rightsized.engines.onnx import OnnxEncoder
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.encoders import open_encoder
from rightsized.tasks.service import LocalService
from tests.gateway_samples import CALLER, asked, settings


def test_a_closed_service_leaves_no_garbage_that_holds_models(home: Path) -> None:
    """61 rounds of a home with two tasks and a cascade held 800 MB before."""

    async def opened_and_closed() -> list[weakref.ref[object]]:
        service = LocalService(settings(home), purpose="test", record=True, gateway=True)
        await service.start()
        assert service.gateway is not None
        reply = await service.gateway.generate(asked("Say it", model="large"), CALLER)
        assert reply.status == "answered"
        held: list[weakref.ref[object]] = [weakref.ref(service), weakref.ref(service.gateway)]
        await service.close()
        return held

    asyncio.run(opened_and_closed())  # what is made once in a process is made
    gc.collect()
    gc.disable()
    try:
        held = asyncio.run(opened_and_closed())
        assert [one() for one in held] == [None, None]
    finally:
        gc.enable()


def test_a_closed_encoder_lets_go_of_its_model_and_says_so(encoder_home: Path) -> None:
    encoder: OnnxEncoder = open_encoder("minilm", ModelStore(Home(encoder_home)), EngineConfig())
    session = weakref.ref(encoder._model().session)
    assert encoder.encode_now("a text").vector.shape == (encoder.dimension,)
    encoder.close()
    assert session() is None
    with pytest.raises(BusyError, match="'minilm' was closed"):
        encoder.encode_now("a text")
