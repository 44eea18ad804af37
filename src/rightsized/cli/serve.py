"""`rightsized serve`: the API and the console on one port."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from rightsized.cli.commands import Common, add
from rightsized.core.config import Config

if TYPE_CHECKING:
    from rightsized.server.run import Listening

log = logging.getLogger("rightsized.server")
EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound


@dataclass(frozen=True, kw_only=True)
class ServeOptions(Common):
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.")] = None
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one. Default: 8321.")] = None


def run(options: ServeOptions) -> None:
    """Serve every task of this home until stopped: API, metrics and pages on one port."""
    serve_home(options.settings(**{"server.host": options.host, "server.port": options.port}), options.json)


def serve_home(config: Config, as_json: bool, stream: tuple[str, list[str]] | None = None) -> None:
    """Serve a home. `stream`: a task and texts to send through it once ready, so that there is something to see.

    A task that has had messages is sent none: a second start must not fill its queue and its audits with repeats.
    """
    import asyncio

    from rightsized.core.egress import Egress
    from rightsized.jobs.local import LocalJobs
    from rightsized.server.app import create_app
    from rightsized.server.keys import Gate
    from rightsized.server.logs import logging_to
    from rightsized.server.run import Tls, serve
    from rightsized.store.home import Home
    from rightsized.tasks.service import LocalService

    Egress.at(config.home, config.egress.allow).watch()
    service = LocalService(config, purpose="serve", record=True, jobs=LocalJobs(Home(config.home)), gateway=True)
    sending: list[asyncio.Task[object]] = []

    def ready(listening: Listening) -> None:
        service.announce(listening.url)
        tasks = {status.task.name: status for status in service.tasks()}
        _say(listening, list(tasks), [tier.name for tier in config.tiers], as_json)
        log.info("Serving", extra={"url": listening.url})
        for one in notes(config):
            log.warning(one)
        if stream is not None and stream[0] in tasks and not tasks[stream[0]].answered + tasks[stream[0]].abstained:
            sending.append(asyncio.ensure_future(service.classify_many(stream[0], stream[1])))

    app = create_app(service, config, Gate(config, service.spending))
    tls = Tls(config.server.tls_cert, config.server.tls_key)
    with logging_to(config.log):
        serve(app, config.server.host, config.server.port, config.server.drain_seconds, ready, tls)
        log.info("Stopped")


def notes(config: Config) -> list[str]:
    """What a server's start should tell its owner: tiers that nothing can reach, budgets that do not count, and secrets
    sent in clear."""
    from rightsized.core.egress import is_loopback

    found = [f"{tier.name}: {why}." for tier in config.tiers if (why := tier.unreachable(config.egress.allow))]
    found += _uncounted(config)
    if not is_loopback(config.server.host) or config.server.host in EVERYWHERE:
        found += [] if config.server.tls_cert else [_CLEAR.format(host=config.server.host)]
    return found


def _uncounted(config: Config) -> list[str]:
    """Tiers elsewhere without a price, where some key has a budget: what they cost is in no budget."""
    from rightsized.store.home import Home
    from rightsized.store.keys import KeyStore

    if not any(key.limits.budget_usd for key in KeyStore(Home(config.home)).all()):
        return []
    unpriced = [tier.name for tier in config.tiers if tier.elsewhere and not tier.price_in and not tier.price_out]
    return [f"{name}: no price is set, so it counts as free: budgets of keys do not bind there." for name in unpriced]


_CLEAR = (
    "{host} is not this machine alone and there is no TLS: keys and messages cross the network in clear. "
    "Set server.tls_cert and server.tls_key, or put a proxy with TLS in front."
)


def _say(listening: Listening, names: list[str], tiers: list[str], as_json: bool) -> None:
    url, host = listening.url, listening.host
    if as_json:
        import msgspec

        told = {"url": url, "host": host, "port": listening.port, "tasks": names, "tiers": tiers}
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    else:
        served = ", ".join(names) or "no task yet; fit one: rightsized fit FILE --task NAME"
        writing = f"Tiers: {', '.join(tiers)} at {url}/v1\n" if tiers else ""
        sys.stdout.write(f"Serving {served}\n{writing}{whereabouts(host, listening.port, url)}  (Ctrl-C stops)\n")
    sys.stdout.flush()


def whereabouts(host: str, port: int, url: str) -> str:
    """Where a server can be reached, as far as it knows: `url` is how this machine itself reaches it."""
    if host in EVERYWHERE:
        return f"Port {port} on every address of this machine; from this machine itself {url}"
    return url


app = typer.Typer()
add(app, "serve", ServeOptions, run, own_net=True)
