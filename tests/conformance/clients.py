"""The clients that drive the server, each pinned in an environment of its own under .venvs/.

`python -m tests.conformance.clients` installs them; tests skip where one is not installed, and never install.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.peer import SCRIPTS, STAMP, VENVS, Peer, PeerUnavailable

HERE = Path(__file__).parent / "scripts"


class PythonClient(Peer):
    """A client for Python."""

    def __init__(self, name: str, requirements: tuple[str, ...], script: str) -> None:
        super().__init__(name, requirements, str(HERE / script), {"PYTHONPATH": str(SCRIPTS), **OFFLINE})

    @property
    def installed(self) -> bool:
        stamp = VENVS / self.name / STAMP
        digest = hashlib.sha256("\n".join(self.requirements).encode()).hexdigest()
        return stamp.is_file() and stamp.read_text("utf-8") == digest


class NodeClient(Peer):
    """A client for Node."""

    def __init__(self, name: str, packages: dict[str, str], script: str) -> None:
        folder = VENVS / name / "node_modules"
        super().__init__(name, (), str(HERE / script), {"NODE_PATH": str(folder), **OFFLINE})
        self._packages = packages

    @property
    def python(self) -> Path:
        """What runs the script: node."""
        return Path(shutil.which("node") or "node")

    @property
    def installed(self) -> bool:
        return shutil.which("node") is not None and all(
            self._version(package) == version for package, version in self._packages.items()
        )

    def _version(self, package: str) -> str:
        described = VENVS / self.name / "node_modules" / package / "package.json"
        return str(json.loads(described.read_text("utf-8"))["version"]) if described.is_file() else ""

    def install(self) -> None:
        """Fetch the packages. Raises PeerUnavailable."""
        if self.installed:
            return
        folder = VENVS / self.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": self._packages}), "utf-8")
        try:
            command = ["npm", "install", "--silent", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=600)
        except (OSError, subprocess.SubprocessError) as error:
            raise PeerUnavailable(f"installation failed: {getattr(error, 'stderr', '') or error}") from None


# The scripts reach loopback only: a client must not fetch prices or report its use.
OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LANGCHAIN_TRACING_V2": "false", "NO_PROXY": "*"}


def _openai_python() -> PythonClient:
    return PythonClient("openai-python", ("openai==3.54.0",), "openai_python.py")


def _openai_node() -> NodeClient:
    return NodeClient("openai-node", {"openai": "7.57.0"}, "openai_node.cjs")


def _langchain() -> PythonClient:
    return PythonClient("langchain", ("langchain-openai==1.6.7",), "langchain_client.py")


def _litellm() -> PythonClient:
    # LiteLLM imports mcp where tools are given, and does not require it.
    return PythonClient("litellm-client", ("litellm==1.106.2", "mcp==2.3.0"), "litellm_client.py")


CLIENTS: dict[str, Callable[[], PythonClient | NodeClient]] = {
    "openai-python": _openai_python,
    "openai-node": _openai_node,
    "langchain": _langchain,
    "litellm-client": _litellm,
}


def main() -> int:
    failed = 0
    for make in CLIENTS.values():
        client = make()
        try:
            client.install()
            print(f"{client.name}: installed")
        except PeerUnavailable as error:
            failed += 1
            print(f"{client.name}: {error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
