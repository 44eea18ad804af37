"""placeholder"""

from __future__ import annotations

from starlette.responses import HTMLResponse, Response

from rightsized.server.endpoint import Respond
from rightsized.server.problems import Problem
from rightsized.tasks.service_protocol import Service


class Console:
    def __init__(self, service: Service, limit: int) -> None: ...

    def addresses(self) -> dict[str, dict[str, Respond]]:
        return {}

    def problem(self, problem: Problem) -> Response:
        return HTMLResponse(problem.title, problem.status)
