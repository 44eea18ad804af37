"""Triage a few messages of the sample mailbox, look at one, and see why no reply is drafted yet.

python examples/triage_mail.py        (needs the task that quickstart.py fits)

Nothing leaves the machine and nothing is sent: triage acts in other systems only where an inbox's settings say so.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile

from rightsized.data import folder

MESSAGES = 6


def rightsized(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    return subprocess.run([sys.executable, "-m", "rightsized.cli", *arguments], capture_output=True, text=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        for path in sorted((folder("mailbox") / "messages").rglob("*.eml"))[:MESSAGES]:
            shutil.copy(path, made)
        done = rightsized("triage", "run", "--source", f"eml:{made}", "--json")
    if done.returncode:
        sys.exit(done.stderr)
    for line in done.stdout.splitlines():
        one = json.loads(line)
        way = "routed" if one["route"]["automatic"] else "waits"
        print(f"{way:7} {one['route']['queue']:16} {one['priority']['level']:7} {one['subject'][:60]}")
        said = [found["text"] for found in one["summary"]["sentences"] if found["kind"] != "subject"]
        print("       ", said[0][:90] if said else "(nothing more)")
    print(rightsized("triage", "draft", "1").stderr.strip())


if __name__ == "__main__":
    main()
