"""One tree of settings: the file `qflib.toml`, over it the environment (`QFLIB_...`), over it the command's flags."""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings.exceptions import SettingsError as UnreadableSetting

from qflib.errors import SettingsError
from qflib.project import FILE, own_project

PREFIX = "QFLIB_"
#: Settings that name a file or folder, relative to the project; `data` is looked for upwards.
PLACES = (
    "state",
    "instruments",
    "api.tls_certificate",
    "api.tls_key",
    "api.tls_authority",
    "api.keys_file",
    "broker.cache",
)
#: What other parts read from the environment.
_OTHER_VARIABLES = (
    "QFLIB_SETTINGS",
    "QFLIB_TEST_DATA",
    "QFLIB_KERNEL_CACHE",
    "QFLIB_API_URL",
    "QFLIB_API_KEY",
    "QFLIB_DASH_KEY",
    "QFLIB_DASH_TICKET",
    "QFLIB_JOB_FOLDER",
)

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Confidence = Annotated[float, Field(gt=0.5, lt=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LogSettings(_Part):
    """What is logged to stderr, and how."""

    level: Literal["debug", "info", "warning", "error"] = "warning"
    format: Literal["auto", "json", "console"] = "auto"  # auto: console on a terminal, else JSON


class DeskSettings(_Part):
    """What a desk does where the call says nothing else."""

    seed: Annotated[int, Field(ge=0)] = 7
    period: str = "250ms"  # of market time: clocks and publications
    rate: _Positive = 20_000.0  # the simulator's events a market second
    levels: Annotated[tuple[_Confidence, ...], Field(min_length=1)] = (0.975, 0.99)
    horizon: str = "1D"
    n_historical: Annotated[int, Field(gt=0)] = 1_000
    n_simulated: Annotated[int, Field(ge=0)] = 9_000
    risk_aversion: _Positive = 1.0
    min_variance: bool = False  # hedge the delta of least variance where the one fitted online gains
    #: the hedger's orders: `band` takes at the band's edge; `limit_market` also lets post-only orders rest inside
    execution: Literal["band", "limit_market"] = "band"
    maker_fee: _Finite = 0.0  # settlement currency a contract; negative: a rebate
    taker_fee: _Finite = 0.0
    fee_tiers: tuple[tuple[_Positive, _Finite, _Finite], ...] = ()  # contracts in 30 days, then maker and taker fee


class LimitSettings(_Part):
    """What the exchange and the portfolio hold orders and risk to."""

    order_qty: Annotated[int, Field(gt=0)] = 1_000  # lots an order
    price_band: Annotated[float, Field(gt=0, lt=1)] = 0.1  # of the mark, either side
    stale_market: str = "5s"  # an order whose market's clock lags by more is refused
    es: _Positive | None = None  # reporting currency; None: unlimited


class StrategySettings(_Part):
    """The signal-following strategy, where one is wanted."""

    max_lots: Annotated[int, Field(gt=0)] = 10  # target position of a signal of strength 1
    account: str = "STRATEGY"
    portfolio: str = "STRATEGY"


class StreamSettings(_Part):
    """How the stages of a desk on Kafka commit, keep snapshots and hold back."""

    delivery: Literal["exactly-once", "at-least-once"] = "exactly-once"
    commit_ms: _Positive = 5.0
    snapshot_s: _Positive = 10.0  # a partition's state is kept after so long,
    snapshot_batches: Annotated[int, Field(gt=0)] = 50_000  # or so many batches
    max_lag_batches: Annotated[int, Field(gt=0)] = 256  # a stage behind; more hold replay and simulator back
    archive_commit_s: _Positive = 1.5
    traces: Annotated[float, Field(ge=0, le=1)] = 0.0  # share of market records that are traced; 0: none
    metrics_host: str = "127.0.0.1"  # where the processes serve their metrics
    metrics_port: Annotated[int, Field(ge=0, le=65_000)] = 9_400  # first of the processes' ports; 0: none


class StoreSettings(_Part):
    """Where a new desk keeps its history, and for how long."""

    kind: Literal["delta", "postgres"] | None = None  # None: postgres where a dsn is given, else files
    dsn: str | None = Field(default=None, repr=False)  # an existing PostgreSQL; None: a server of the desk's own
    reader_dsn: str | None = Field(default=None, repr=False)  # for those who only read; None: dsn
    namespace: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] = "qflib"  # the schema
    url: str | None = None  # of an object store for the files, as s3://bucket/desk; keys: AWS_... in the environment
    retention_days: Annotated[int, Field(ge=0)] | None = None  # before the last day of a table; None: all are kept

    @property
    def reading(self) -> str | None:
        """The DSN of those who only read."""
        return self.reader_dsn or self.dsn


class ApiSettings(_Part):
    """The HTTP API: where it listens, and what it bears."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8_000
    rate: _Positive = 2_000.0  # requests a second a key,
    burst: Annotated[int, Field(gt=0)] = 4_000  # and at once
    failures: _Positive = 5.0  # wrong keys a second an address; more are told to wait
    body_bytes: Annotated[int, Field(gt=0)] = 1 << 20  # of a request
    in_flight: Annotated[int, Field(gt=0)] = 10_000  # orders and signals that Kafka has not confirmed
    acknowledge_s: _Positive = 3.0  # after which an order's outcome is told as unknown
    stale_s: _Positive = 15.0  # without a word of an underlying's books its orders are refused
    array: Annotated[int, Field(gt=0)] = 100_000  # numbers in a request to pricing or shortfall
    page_rows: Annotated[int, Field(gt=0)] = 100_000  # of a page
    computing: Annotated[int, Field(gt=0)] = 2  # requests computed at once; others wait,
    waiting: Annotated[int, Field(ge=0)] = 16  # and so many of them at most
    keys_file: Path | None = None  # who may use it; None: keys.json in the desk's folder
    tls_certificate: Path | None = None  # PEM, with what leads to its authority; then HTTPS alone is spoken
    tls_key: Path | None = None  # PEM, without a password; for this user's eyes alone
    tls_authority: Path | None = None  # PEM: whom clients on this machine trust, where the system's do not suffice

    @model_validator(mode="after")
    def _both(self) -> ApiSettings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together; give both, or neither")
        return self

    @property
    def scheme(self) -> str:
        """What its address begins with."""
        return "http" if self.tls_certificate is None else "https"


class DashSettings(_Part):
    """The dashboard."""

    port: Annotated[int, Field(ge=1, le=65_535)] = 5_006
    origins: tuple[str, ...] = ()  # host:port of proxies before it, whose pages may open its WebSocket


class JobSettings(_Part):
    """The scheduler of jobs."""

    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 9_390  # on 127.0.0.1; 0: none
    stop_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 60.0  # that runs get to end in, once it is to stop


class ResearchSettings(_Part):
    """Where sweeps run that are long."""

    cluster: str | None = None  # a Dask scheduler, as tcp://host:8786; None: this machine's processes where that pays


class BrokerSettings(_Part):
    """Which Kafka: an existing cluster's address, else a local broker and what it is made of."""

    bootstrap: str | None = None  # an existing cluster; None: the local broker
    options: dict[str, str] = Field(default_factory=dict, repr=False)  # to every client: SASL, TLS; may hold secrets
    partitions: Annotated[int, Field(gt=0, le=1_000)] | None = None  # None: as they are, else one for two processors
    replication: Annotated[int, Field(gt=0)] = 1
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None  # the local broker's; None: a free one, kept
    heap: Annotated[str, Field(pattern=r"^[1-9][0-9]*[mg]$")] = "1g"  # the local broker's at most
    repository: str = Field(default="https://repo1.maven.org/maven2", repr=False)  # Maven; may hold a password
    cache: Path | None = None  # where Kafka's jars are kept; None: the user's cache folder

    @field_validator("options", mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        """TOML reads `sasl.mechanism = "PLAIN"` as a table in a table, and 5 as a number: librdkafka takes text."""
        return _flattened(value) if isinstance(value, dict) else value


def _flattened(table: dict[str, Any], above: str = "") -> dict[str, str]:
    out: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            out |= _flattened(value, f"{above}{name}.")
        else:
            out[f"{above}{name}"] = str(value).lower() if isinstance(value, bool) else str(value)
    return out


class Settings(BaseSettings):
    """The tree.

    Examples
    --------
    >>> from qflib.settings import Settings
    >>> Settings().desk.levels
    (0.975, 0.99)
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    data: Path = Path("../shared/data")  # recordings
    state: Path = Path("runs")  # what commands keep; relative: below the file
    instruments: Path | None = None  # TOML table: a venue's rows, where no flag tells its instruments
    log: LogSettings = LogSettings()
    desk: DeskSettings = DeskSettings()
    limits: LimitSettings = LimitSettings()
    strategy: StrategySettings = StrategySettings()
    broker: BrokerSettings = BrokerSettings()
    stream: StreamSettings = StreamSettings()
    store: StoreSettings = StoreSettings()
    api: ApiSettings = ApiSettings()
    dash: DashSettings = DashSettings()
    jobs: JobSettings = JobSettings()
    research: ResearchSettings = ResearchSettings()

    @property
    def recordings(self) -> Path:
        """The folder `data`; a relative one is looked for upwards, as a notebook's working directory is its own."""
        here = Path.cwd()
        return next((up / self.data for up in (here, *here.parents) if (up / self.data).is_dir()), self.data)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags over environment over file."""
        return init_settings, env_settings, _File(settings_cls, settings_file())


class _File(TomlConfigSettingsSource):
    """The file; where one stands below it, its places are the project's, not those of the folder one stands in."""

    def __call__(self) -> dict[str, Any]:
        told, root = super().__call__(), own_project()
        if "QFLIB_SETTINGS" in os.environ or root is None or root == Path.cwd() or not (root / FILE).is_file():
            return told
        told = {"state": "runs"} | told
        for name in PLACES:
            *above, last = name.split(".")
            part: Any = told
            for room in above:
                part = part.get(room) if isinstance(part, dict) else None
            if isinstance(part, dict) and isinstance(part.get(last), str):
                part[last] = str(root / part[last])
        return told


def settings_file() -> Path:
    """The file that is read: the one `QFLIB_SETTINGS` names, else the project's qflib.toml."""
    root = own_project()
    own = Path(FILE) if root is None or root == Path.cwd() else root / FILE
    return Path(os.environ.get("QFLIB_SETTINGS", own))


def load(**flags: Any) -> Settings:
    """The settings in force.

    Parameters
    ----------
    **flags
        Settings that stand over file and environment; None is left out.

    Raises
    ------
    SettingsError
        If a setting or a variable QFLIB_... is unknown or wrong, or the file is not readable TOML: it is named.

    Examples
    --------
    >>> from qflib import settings
    >>> settings.load(desk={"seed": 11}).desk.seed
    11
    """
    _known_variables()
    if "QFLIB_SETTINGS" in os.environ and not settings_file().is_file():
        raise SettingsError(f"settings file {settings_file()} does not exist; QFLIB_SETTINGS must name a TOML file")
    try:
        return Settings(**{k: v for k, v in flags.items() if v is not None})
    except ValidationError as e:
        raise SettingsError(_sentence(e)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as e:
        raise SettingsError(f"settings file {settings_file()} is not readable TOML: {e}") from None
    except UnreadableSetting as e:
        raise SettingsError(f"a QFLIB_ setting in the environment cannot be read: {e}") from None


def _known_variables() -> None:
    """Refuse a variable that would change nothing: a slip of the pen must not run the defaults."""
    known = [*_OTHER_VARIABLES]
    for name, field in Settings.model_fields.items():
        known.append(f"{PREFIX}{name}".upper())
        if isinstance(field.default, _Part):
            known += [f"{PREFIX}{name}__{inner}".upper() for inner in type(field.default).model_fields]
    for variable in sorted(os.environ):
        if variable.upper().startswith(PREFIX) and variable.upper() not in known:
            near = difflib.get_close_matches(variable.upper(), known, n=1)
            mend = f"did you mean {near[0]}, or unset it" if near else f"unset it; known are {', '.join(known)}"
            raise SettingsError(f"variable {variable} in the environment is no setting; {mend}")


def _sentence(e: ValidationError) -> str:
    first = e.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    where = f"in {settings_file()}, in QFLIB_{name.upper().replace('.', '__')} or among the flags"
    if first["type"] == "extra_forbidden":
        return f"setting {name!r} does not exist; take it out ({where})"
    what = first["msg"].removeprefix("Value error, ")
    what = what[:1].lower() + what[1:]
    secret = name in ("broker", "store") or name.startswith(
        ("broker.options", "broker.repository", "store.dsn", "store.reader_dsn")
    )
    shown = "not shown" if secret else repr(first["input"])
    return f"setting {name!r} is {shown}: {what}; set it right ({where})"
