"""Settings from `rightsized.toml`, then environment variables, then flags; the later wins.

`[server] port` is `RIGHTSIZED_SERVER_PORT` in the environment and `server.port` among the flags. Each setting is a
field here with its unit in a comment; the reference page is generated from these classes.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from rightsized.core.errors import ConfigError
from rightsized.core.generation import DataClass
from rightsized.core.pii import PiiConfig
from rightsized.core.run_tests import RunTestsConfig
from rightsized.core.tables import told as _told
from rightsized.core.tiers import GatewayConfig, TierConfig, check_tiers

AfterAlarm = Literal["stop", "loosest", "continue"]
PREFIX = "RIGHTSIZED_"
FILE_NAME = "rightsized.toml"


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class ServerConfig(_Section, frozen=True):
    """Where the server listens and how much it takes on."""

    host: str = "127.0.0.1"  # address to listen on
    port: int = 8321  # TCP port; 0 picks a free one
    max_body_mb: float = 8.0  # largest request body, mebibytes
    body_seconds: float = 30.0  # longest time a client may take to send a request body
    drain_seconds: float = 10.0  # how long a shutdown waits for requests in flight
    require_key: Literal["beyond-loopback", "always"] = "beyond-loopback"  # when requests need an API key
    metric_tenants: int = 50  # tenants that metrics count by name; further ones count together
    tls_cert: str = ""  # file of the certificate chain, PEM; with tls_key the server speaks HTTPS only
    tls_key: str = ""  # file of its private key, PEM


class LogConfig(_Section, frozen=True):
    """What a server writes on standard error: what went wrong and what changed, never prompts or keys."""

    level: Literal["debug", "info", "warning", "error"] = "info"  # the least grave events written
    format: Literal["text", "json"] = "text"  # lines for people, or one JSON object a line


class EngineConfig(_Section, frozen=True):
    """How models run."""

    sessions: int = 0  # single-thread ONNX Runtime sessions; 0 = one a core
    queue: int = 256  # texts that may wait; more get a "busy" error
    max_text_chars: int = 200_000  # longest text taken, characters


class RecordConfig(_Section, frozen=True):
    """What is kept of each decision, and for how long."""

    enabled: bool = True  # false: answers carry no decision id
    text_days: float = 30.0  # days until the text of a decision is deleted; its digest stays
    labelled_text_days: float = 365.0  # the same for texts whose label may train; text_days where that is longer
    group_ms: float = 5.0  # longest wait to commit decisions together, milliseconds
    subject: Literal["named", "tenant"] = "named"  # whose key seals a record: whom the request names, else its tenant


class LedgerConfig(_Section, frozen=True):
    """Where signed checkpoints of the log are kept outside it."""

    sinks: tuple[str, ...] = ()  # addresses: file:/folder/name.txt, syslog:, https://witness.example/prefix


class AuditConfig(_Section, frozen=True):
    """The audit coin and the monitor."""

    rate: float = 0.02  # probability that a request is audited
    alarm_delta: float = 0.05  # chance of ever raising a false alarm
    on_alarm: AfterAlarm = "stop"  # answers after an alarm: none, by stricter thresholds, or as before
    stop_on_alarm: bool = True  # the older setting: false means on_alarm = "continue"
    last_tier: bool = True  # under a promise of regret, ask the last tier about audited answers that were wrong

    @property
    def after_alarm(self) -> AfterAlarm:
        """What follows an alarm, the older setting included."""
        return "continue" if self.on_alarm == "stop" and not self.stop_on_alarm else self.on_alarm


class ExplainConfig(_Section, frozen=True):
    """What an explanation may cost."""

    budget_ms: float = 500.0  # time for the words of one text, milliseconds; 0 sets none


class EgressConfig(_Section, frozen=True):
    """Destinations that may be reached. Empty: nothing leaves this machine."""

    allow: tuple[str, ...] = ()  # host names


class SearchConfig(_Section, frozen=True):
    """How documents are searched."""

    encoder: str = "minilm"  # installed encoder that turns passages and questions into vectors
    reranker: str = ""  # what sorts the best passages anew: an installed cross-encoder, or a tier; empty: nothing
    reranker_passages: int = 20  # passages of one question that it reads
    reranker_seconds: float = 2.0  # longest wait for it; after that the results stand as they were
    data_class: DataClass = "secret"  # what documents hold, for tiers that write about them or rerank them
    data_classes: dict[str, DataClass] = msgspec.field(default_factory=dict)  # the same, by collection


class TriageConfig(_Section, frozen=True):
    """Which inboxes a server reads. Each has settings of its own: `triage/NAME/inbox.toml` in the home folder."""

    inboxes: tuple[str, ...] = ()  # names of inboxes whose sources are read for as long as the server runs


class GuardConfig(_Section, frozen=True):
    """The policy, and when texts are searched for personal data."""

    policy: str = ""  # the policy file; empty: policy.toml in the home folder, where there is one
    detect: Literal["off", "auto", "always"] = "off"  # search requests for personal data: never, where it matters, all


class Config(_Section, frozen=True):
    """All settings. `home` holds models, tasks and decisions."""

    home: str = "~/.rightsized"  # folder for models, tasks and decisions
    server: ServerConfig = ServerConfig()
    log: LogConfig = LogConfig()
    engine: EngineConfig = EngineConfig()
    record: RecordConfig = RecordConfig()
    ledger: LedgerConfig = LedgerConfig()
    audit: AuditConfig = AuditConfig()
    explain: ExplainConfig = ExplainConfig()
    egress: EgressConfig = EgressConfig()
    guard: GuardConfig = GuardConfig()
    search: SearchConfig = SearchConfig()
    triage: TriageConfig = TriageConfig()
    gateway: GatewayConfig = GatewayConfig()
    tests: RunTestsConfig = RunTestsConfig()
    pii: PiiConfig = PiiConfig()
    tiers: tuple[TierConfig, ...] = ()


SECTIONS: dict[str, type[msgspec.Struct]] = {
    "server": ServerConfig,
    "log": LogConfig,
    "engine": EngineConfig,
    "record": RecordConfig,
    "ledger": LedgerConfig,
    "audit": AuditConfig,
    "explain": ExplainConfig,
    "egress": EgressConfig,
    "guard": GuardConfig,
    "search": SearchConfig,
    "triage": TriageConfig,
    "gateway": GatewayConfig,
    "tests": RunTestsConfig,
    "pii": PiiConfig,
}
# Settings that an environment variable gives as words with commas between them.
_LISTS = frozenset(
    {"egress.allow", "ledger.sinks", "tests.roles"}
    | {"pii.off", "pii.regions", "pii.deny", "pii.allow", "pii.allow_types", "triage.inboxes"}
)
_RANGES: dict[str, tuple[float, float]] = {
    "server.port": (0, 65535),
    "server.max_body_mb": (0.001, 1024),
    "server.body_seconds": (0.01, 3600),
    "server.drain_seconds": (0, 3600),
    "server.metric_tenants": (0, 10_000),
    "engine.sessions": (0, 1024),
    "engine.queue": (1, 1_000_000),
    "engine.max_text_chars": (1, 100_000_000),
    "record.text_days": (0, 36_500),
    "record.labelled_text_days": (0, 36_500),
    "record.group_ms": (0, 1000),
    "explain.budget_ms": (0, 600_000),
    "gateway.timeout_s": (0.001, 86_400),
    "gateway.in_flight": (1, 100_000),
    "gateway.keep_alive_s": (0, 3600),
    "gateway.cache_entries": (0, 10_000_000),
    "gateway.cache_seconds": (0, 31_536_000),
    "tests.seconds": (0.1, 600),
    "tests.memory_mb": (128, 65_536),
    "tests.at_once": (1, 1024),
    "tests.queue": (1, 100_000),
    "tests.max_kb": (1, 1024),
    "pii.min_score": (0.0, 1.0),
    "pii.budget_ms": (1, 600_000),
    "audit.rate": (0.0, 1.0),
    "audit.alarm_delta": (1e-6, 0.5),
}


def load(
    file: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Config:
    """Read, merge and check all settings.

    Args:
        file: a TOML file that must exist; None reads `rightsized.toml` here if there is one.
        environment: variables to read instead of the process's own.
        flags: dotted keys such as `server.port`; None values are passed over.
    Raises:
        ConfigError: names the key, the value and the file or variable.
    """
    values: dict[str, tuple[Any, str]] = {}
    path = file or Path(FILE_NAME)
    if file or path.exists():
        values.update(_from_file(path))
    values.update(_from_environment(os.environ if environment is None else environment))
    values.update({k: (v, f"--{k.rpartition('.')[2]}") for k, v in (flags or {}).items() if v is not None})
    return _build(values)


def _from_file(path: Path) -> dict[str, tuple[Any, str]]:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"The configuration file {path} does not exist.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration file {path} is not valid TOML: {error}.") from None
    except OSError as error:
        raise ConfigError(f"The configuration file {path} cannot be read: {error.strerror}.") from None
    flat: dict[str, tuple[Any, str]] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            flat.update({f"{key}.{inner}": (v, str(path)) for inner, v in value.items()})
        else:
            flat[key] = (value, str(path))
    return flat


def _from_environment(environment: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    found = {}
    for dotted in keys():
        name = variable(dotted)
        if name in environment:
            text = environment[name]
            value = [part.strip() for part in text.split(",") if part.strip()] if dotted in _LISTS else text
            found[dotted] = (value, f"the environment variable {name}")
    return found


def unknown_variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables that look like settings and are none, each with the one it is nearest to ('' where none is near).

    They are no error: other programs name variables by the same prefix, container platforms for instance.
    """
    known = [variable(dotted) for dotted in keys()]
    found = sorted(name for name in (os.environ if environment is None else environment) if name.startswith(PREFIX))
    near = {name: difflib.get_close_matches(name, known, 1, 0.85) for name in found if name not in known}
    return {name: (matches or [""])[0] for name, matches in near.items()}


def keys() -> list[str]:
    """Every setting as a dotted key."""
    inner = [f"{section}.{name}" for section, kind in SECTIONS.items() for name in kind.__struct_fields__]
    return ["home", *inner]


def variable(dotted: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + dotted.upper().replace(".", "_")


def _build(values: dict[str, tuple[Any, str]]) -> Config:
    given = dict(values)
    tiers = _tiers(*given.pop("tiers")) if "tiers" in given else ()
    origin = values["tiers"][1] if "tiers" in values else "the settings"
    known = keys()
    for dotted, (_, where) in given.items():
        if dotted not in known:
            raise ConfigError(f"Unknown setting {dotted!r} in {where}.", fix=_meant(dotted, known))
    sections = {name: _section(name, kind, given) for name, kind in SECTIONS.items()}
    check_tiers(tiers, sections["gateway"], origin)
    if "home" in values:
        sections["home"] = _home(*values["home"])
    config = Config(tiers=tiers, **sections)
    return msgspec.structs.replace(config, home=str(Path(config.home).expanduser()))


def _tiers(value: Any, origin: str) -> tuple[TierConfig, ...]:
    """The tiers as given, in order of cost. Errors never quote a whole tier: its headers may hold a secret."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ConfigError(f"tiers in {origin} is not a list of tables.", fix="Begin each tier with a line [[tiers]].")
    return tuple(_tier(one, f"tier {one.get('name', place)!r} in {origin}") for place, one in enumerate(value, 1))


def _tier(value: dict[str, Any], where: str) -> TierConfig:
    known = TierConfig.__struct_fields__
    for key in value:
        if key not in known:
            raise ConfigError(f"Unknown setting {key!r} of {where}.", fix=_meant(key, known))
    types = {f.name: f.type for f in msgspec.structs.fields(TierConfig)}
    for key, given in value.items():
        try:
            msgspec.convert(given, types[key])
        except msgspec.ValidationError as error:
            raise ConfigError(f"{key} of {where} cannot be used: {_told(error, types[key])}.") from None
    if "name" not in value:
        raise ConfigError(f"{where[0].upper()}{where[1:]} has no name.", fix='Write name = "small", for instance.')
    return msgspec.convert(value, TierConfig)


def _meant(key: str, known: Sequence[str]) -> str:
    """What an unknown key may have been meant for: the nearest, and all of its table."""
    table = key.rpartition(".")[0]
    if table == "tiers":
        return "Begin each tier with a line [[tiers]], in double brackets."
    close = difflib.get_close_matches(key, known, 1, 0.7)
    beside = [other for other in known if other.rpartition(".")[0] == table]
    if "home" in known and (not table or not beside):
        beside = ["home", "tiers", *SECTIONS]
    return f"{f'Did you mean {close[0]}? ' if close else ''}Known here: {', '.join(beside)}."


def _home(value: Any, origin: str) -> str:
    """The home folder as given. An empty one would be the current folder, which nobody means."""
    home: str = _convert("home", value, origin, str)
    if not home.strip():
        raise ConfigError(f"home in {origin} is empty.", fix="Name a folder, or leave it out for ~/.rightsized.")
    return home


def _section(name: str, kind: type[msgspec.Struct], values: dict[str, tuple[Any, str]]) -> Any:
    types = {f.name: f.type for f in msgspec.structs.fields(kind)}
    given = {
        field: _convert(f"{name}.{field}", *values[f"{name}.{field}"], target)
        for field, target in types.items()
        if f"{name}.{field}" in values
    }
    return kind(**given)


def _convert(dotted: str, value: Any, origin: str, target: Any) -> Any:
    try:
        converted = msgspec.convert(value, target, strict=not isinstance(value, str))
    except msgspec.ValidationError as error:
        raise ConfigError(f"{dotted} = {value!r} in {origin} cannot be used: {_told(error, target)}.") from None
    low, high = _RANGES.get(dotted, (float("-inf"), float("inf")))
    if dotted in _RANGES and not low <= converted <= high:
        raise ConfigError(f"{dotted} = {value!r} in {origin} must be between {low:g} and {high:g}.")
    return converted
