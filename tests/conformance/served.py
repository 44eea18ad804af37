"""Serves the scripted gateway in a process of its own: prints the address, and later what happened to the clients."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))

from fake_service import FakeService
from scripted_gateway import ScriptedGateway

from rightsized.core.config import Config
from rightsized.core.tiers import GatewayConfig
from rightsized.server.app import create_app
from rightsized.server.run import serve

KEEP_ALIVE_S = 0.1  # so that models which take half a second send several comments first


def main() -> None:
    service = FakeService()
    service.gateway = ScriptedGateway()
    config = Config(gateway=GatewayConfig(keep_alive_s=KEEP_ALIVE_S))
    serve(create_app(service, config), "127.0.0.1", 0, on_ready=lambda at: print(at.url, flush=True))


if __name__ == "__main__":
    main()
