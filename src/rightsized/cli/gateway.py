"""`rightsized gateway`: the tiers that write, and the promise under which `auto` is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from rightsized.cli.commands import Common, Result, add
from rightsized.cli.tables import aligned

if TYPE_CHECKING:
    from rightsized.tasks.gateway_protocol import GatewayStatus, TierStatus


@dataclass(frozen=True, kw_only=True)
class GatewayOptions(Common):
    pass


def run(options: GatewayOptions) -> Result:
    """Show the tiers, what each may be sent and costs, and what is promised of `auto`.

    A running server is asked. Without one, engines are opened and not started, and no model server is reached.
    """
    from rightsized.store.home import Home
    from rightsized.tasks.gateway_status import status_at_rest
    from rightsized.tasks.remote import find_server

    config = options.settings()
    server = find_server(Home(config.home))
    status = server.gateway() if server is not None else status_at_rest(config)
    shut = {tier.name: tier.unreachable(config.egress.allow) for tier in config.tiers}
    return Result(status, _text(status, {name: why for name, why in shut.items() if why}))


def _text(status: GatewayStatus, shut: dict[str, str]) -> str:
    from rightsized.tasks.gateway_status import prices

    header = ["tier", "kind", "engine", "model", "ready", "may be sent", "US dollars a million tokens"]
    rows = [
        [
            tier.name,
            "small" if tier.tier == 2 else "large",
            tier.engine,
            tier.model,
            _ready(tier),
            "nothing" if tier.name in shut else _may_be_sent(tier),
            prices(tier),
        ]
        for tier in status.tiers
    ]
    parts = [aligned(header, rows)] if rows else []
    parts += [f"{tier.name}: {tier.detail}" for tier in status.tiers if tier.detail]
    parts += [f"{name}: {why}." for name, why in shut.items()]
    return "\n".join([*parts, *([""] if parts else []), *_promise(status)])


def _may_be_sent(tier: TierStatus) -> str:
    classes = ", ".join(tier.data_classes)
    if not classes:
        return "nothing: set data_classes"
    return f"{classes}; pseudonymised" if tier.pseudonymised else classes


def _ready(tier: TierStatus) -> str:
    return "not running" if tier.ready is None else "yes" if tier.ready else "no"


_MISSING = (
    " {count:,} are missing, since the last tier could not be asked; no alarm counts them."
    " Were all that wait or are missing wrong: evidence {evidence:.2f}."
)


def _promise(status: GatewayStatus) -> list[str]:
    lines = [f"auto ({status.cascade}): {status.state}"]
    if status.note:
        lines.append(f"Nothing is promised now: {status.note}")
    if status.tiers and status.state not in ("certified", "estimated"):
        who = status.uncertified_tier or "the last tier that may"
        lines.append(f"Meanwhile auto is answered by {who}, uncertified.")
    if status.certificate is not None:
        said = "Before that the certificate said: " if status.note else ""
        lines.append(f"{said}{status.certificate.sentence}")
    monitor = status.monitor
    if monitor is not None:
        lines.append(
            f"Audits: {monitor.audits:,} counted, {monitor.wrong:,} wrong, {monitor.waiting:,} wait; "
            f"evidence {monitor.e_value:.2f}, alarm at {monitor.alarm_at:.0f}."
            + (_MISSING.format(count=monitor.missing, evidence=monitor.if_waiting_wrong) if monitor.missing else "")
        )
    if status.waiting:
        lines.append(f"{status.waiting:,} wait for a person: rightsized queue list --task {status.cascade}")
    return lines


app = typer.Typer()
add(app, "gateway", GatewayOptions, run)
