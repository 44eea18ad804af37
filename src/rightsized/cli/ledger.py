"""`rightsized ledger`: is the log what was signed; prove a decision; checkpoints and keys.

Reads beside a running server. What writes (another key, retention, an erasure's event) asks the server that holds the
home, or takes the home for itself where none does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rightsized.cli import ledger_data
from rightsized.cli.commands import Common, Result, add
from rightsized.cli.progress import progress_bars
from rightsized.core.egress import JOURNAL
from rightsized.core.errors import InputError, ProofError

if TYPE_CHECKING:
    from rightsized.ledger.findings import Verification
    from rightsized.ledger.notes import Checkpoint
    from rightsized.ledger.publish import SinkStatus
    from rightsized.store.home import Home

app = typer.Typer(
    name="ledger",
    help="The log of decisions: verify, prove, export, search, erase.",
    no_args_is_help=True,
)


@dataclass(frozen=True, kw_only=True)
class VerifyOptions(Common):
    since: Annotated[
        Path | None, typer.Option(help="File with a checkpoint verified before; only later entries are read.")
    ] = None
    against: Annotated[
        list[Path] | None, typer.Option(help="File with checkpoints kept elsewhere; may be given several times.")
    ] = None
    key: Annotated[
        list[str] | None, typer.Option(help="Verifier key that you trust. Default: the keys of this home.")
    ] = None
    file: Annotated[Path | None, typer.Option(help="Log to verify. Default: the one of this home.")] = None


@dataclass(frozen=True, kw_only=True)
class ProveOptions(Common):
    decision: Annotated[str | None, typer.Argument(help="Decision id.")] = None
    begin: Annotated[
        Path | None, typer.Option("--from", help="Instead of a decision: file with an older checkpoint.")
    ] = None
    end: Annotated[Path | None, typer.Option("--to", help="File with a newer checkpoint. Default: the log now.")] = None
    out: Annotated[Path | None, typer.Option(help="File to write the proof to.")] = None
    with_texts: Annotated[bool, typer.Option(help="Put the texts into the proof, where they are still kept.")] = False


@dataclass(frozen=True, kw_only=True)
class CheckpointOptions(Common):
    out: Annotated[Path | None, typer.Option(help="File to add the checkpoint to; keep it on another machine.")] = None
    cosigned: Annotated[
        bool, typer.Option("--cosigned", help="The newest that a witness signed too, with its signature.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class RotateOptions(Common):
    lost: Annotated[
        bool, typer.Option("--lost", help="The key so far is lost: the new one takes over without its word.")
    ] = False


def verify(options: VerifyOptions) -> Result:
    """Check every entry, hash and signature of the log, offline. Exit status 1 where anything is wrong.

    That the log was set back to an older copy, or written anew with a stolen key, shows only against a checkpoint
    that was kept elsewhere: --against FILE.
    """
    from rightsized.ledger.notes import parse_key
    from rightsized.ledger.verify import verify as check
    from rightsized.tasks.log_trust import home_keys

    home = home_of(options)
    path = options.file or home.decisions
    trusted = [parse_key(key) for key in options.key] if options.key else home_keys(home, path)
    against = [one for file in options.against or () for one in read_checkpoints(file)]
    since = read_checkpoints(options.since)[-1] if options.since else None
    journal = home.path / JOURNAL if path.resolve() == home.decisions.resolve() else None
    with progress_bars(options.json) as progress:
        found = check(path, trusted=trusted, since=since, against=against, journal=journal, progress=progress)
    return Result(found, _verified(found, path), status=0 if found.ok else 1)


def prove(options: ProveOptions) -> Result:
    """Prove that a decision is in the log, or that the log began as an older checkpoint says.

    The proof stands alone: docs/verify_proof.py checks it with the log's verifier key and nothing else.
    """
    import msgspec

    from rightsized.ledger.prove import Prover
    from rightsized.ledger.reader import LedgerReader

    if (options.decision is None) == (options.begin is None):
        raise InputError("Name a decision, or an older checkpoint with --from FILE.")
    with LedgerReader(home_of(options).decisions) as reader:
        prover = Prover(reader)
        if options.decision is not None:
            proof = prover.decision(options.decision, with_texts=options.with_texts)
        else:
            assert options.begin is not None
            newer = read_checkpoints(options.end)[-1] if options.end else None
            proof = prover.consistency(read_checkpoints(options.begin)[-1], newer)
    document = msgspec.json.format(msgspec.json.encode(proof), indent=1)
    if options.out is None:
        return Result(proof, document.decode())
    write(options.out, document + b"\n")
    entries = ", ".join(f"{entry.seq:,}" for entry in proof.entries)
    what = f"Entries {entries}" if entries else "The beginning of the log"
    text = f"{what}: proven in {options.out}.\nTo check: python verify_proof.py {options.out} '{proof.key}'"
    return Result(proof, text)


def checkpoint(options: CheckpointOptions) -> Result:
    """Show the signed checkpoint of the log as it is, and the key that checks it."""
    from rightsized.ledger.notes import parse_checkpoint
    from rightsized.ledger.prove import Prover
    from rightsized.ledger.publish import sink_status
    from rightsized.ledger.reader import LedgerReader

    settings = options.settings()
    with LedgerReader(home_of(options).decisions) as reader:
        prover = Prover(reader)
        note = prover.cosigned() if options.cosigned else prover.note
        named = [*settings.ledger.sinks, *(sink for (sink,) in reader.query("SELECT sink FROM published"))]
        sinks = sink_status(reader.query, list(dict.fromkeys(named)))
    if options.out is not None:
        before = options.out.read_text("utf-8") if options.out.is_file() else ""
        write(options.out, (before + note).encode())
    shown = parse_checkpoint(note)
    data = {
        "checkpoint": note,
        "size": shown.size,
        "time": shown.time,
        "keys": [str(key) for key in prover.chain.keys],
        "sinks": sinks,
    }
    lines = [note, f"Verifier key: {prover.chain.at(shown.size)}"]
    lines += map(_kept_at, sinks)
    return Result(data, "\n".join(lines))


def rotate_key(options: RotateOptions) -> Result:
    """Let a new key sign the log from now on. The one so far signs the handover, which is an entry of the log.

    Works beside a running server, which then does it; not with --lost.
    """
    import asyncio

    from rightsized.ledger.log import SqliteLedger
    from rightsized.store.home import WriterLock
    from rightsized.store.secrets import SecretFolder
    from rightsized.tasks.record_views import KeyChange
    from rightsized.tasks.remote import find_server

    home = home_of(options)
    server = None if options.lost else find_server(home)  # no server runs on a log whose key is lost
    if server is not None:
        changed = server.rotate_key()
    else:
        secrets = SecretFolder(home.secrets)
        with WriterLock(home, "ledger"), SqliteLedger(home.decisions, secrets=secrets, key_lost=options.lost) as ledger:
            changed = KeyChange(asyncio.run(ledger.rotate_key(lost=options.lost)), ledger.checkpoint)
    return Result(changed, f"From now on the log is signed by\n{changed.key}\nGive it to those who check your proofs.")


def home_of(options: Common) -> Home:
    """The home that a command is about."""
    from rightsized.store.home import Home

    return Home(options.settings().home)


def read_checkpoints(path: Path) -> list[Checkpoint]:
    """The checkpoints in a file, one after the other. Raises NotFoundError, ProofError."""
    from rightsized.core.errors import NotFoundError
    from rightsized.ledger.notes import parse_checkpoints

    try:
        return parse_checkpoints(path.read_text("utf-8"))
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {path}.") from None
    except (UnicodeDecodeError, OSError) as error:
        raise ProofError(f"{path} holds no checkpoint: {error}.") from None


def write(path: Path, content: bytes) -> None:
    """Write a file that the user named."""
    from rightsized.store import atomic

    atomic.export(path, content)


def _kept_at(sink: SinkStatus) -> str:
    """How far a sink is, in a sentence."""
    from rightsized.tasks.pages.figures import moment

    has = f"has the checkpoint of {sink.size:,} entries" if sink.size else "has no checkpoint yet"
    waits = f"; {sink.waiting:,} wait, the oldest since {moment(sink.waiting_since)}" if sink.waiting else ""
    return f"{sink.sink} {has}{waits}."


def _verified(found: Verification, path: Path) -> str:
    from datetime import UTC, datetime

    from rightsized.ledger.notes import parse_checkpoint

    lines = [f"FAIL  {finding.words}" for finding in found.findings]
    facts: dict[str, Any] = {
        "entries": f"{found.entries:,}" + (f", {found.since:,} vouched for by the checkpoint" if found.since else ""),
        "checkpoints": f"{found.checkpoints:,} in the file, {found.external:,} kept elsewhere",
        "texts": f"{found.texts:,}",
        "egress": f"{found.journal_bytes:,} bytes of the journal",
        "key": found.key or "none: the log is not signed",
    }
    if found.checkpoint and not found.findings:
        signed = datetime.fromtimestamp(parse_checkpoint(found.checkpoint).time, UTC)
        facts["signed"] = f"{signed:%Y-%m-%d %H:%M:%S} UTC"
    told = "\n".join(f"  {name:<12} {value}" for name, value in facts.items())
    if found.ok:
        verdict = f"{path} is what was signed."
        if not found.trusted:
            verdict += " Its key was not compared: give the one that you trust with --key."
        if not found.external:
            verdict += " Against rollback and a stolen key, compare with a checkpoint kept elsewhere: --against FILE."
    else:
        verdict = f"{path} was altered or is damaged: {len(found.findings)} findings."
    return "\n".join([verdict, *lines, told])


add(app, "verify", VerifyOptions, verify)
add(app, "prove", ProveOptions, prove)
add(app, "checkpoint", CheckpointOptions, checkpoint)
add(app, "rotate-key", RotateOptions, rotate_key)
for name, kind, run in ledger_data.COMMANDS:
    add(app, name, kind, run)
