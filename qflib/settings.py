"""One tree of settings: the file `qflib.toml`, over it the environment (`QFLIB_...`), over it the command's flags."""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings.exceptions import SettingsError as UnreadableSetting

from qflib.errors import SettingsError

FILE = "qflib.toml"
PREFIX = "QFLIB_"
#: What other parts read from the environment.
_OTHER_VARIABLES = ("QFLIB_SETTINGS", "QFLIB_TEST_DATA", "QFLIB_KERNEL_CACHE")

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
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


class LimitSettings(_Part):
    """What the exchange and the portfolio hold orders and risk to."""

    order_qty: Annotated[int, Field(gt=0)] = 1_000  # lots an order
    price_band: Annotated[float, Field(gt=0, lt=1)] = 0.1  # of the mark, either side
    stale_market: str = "5s"  # an order whose market's clock lags by more is refused
    es: _Positive | None = None  # reporting currency; None: unlimited


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
    state: Path = Path("runs")  # what commands keep: loaded positions
    log: LogSettings = LogSettings()
    desk: DeskSettings = DeskSettings()
    limits: LimitSettings = LimitSettings()

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
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, settings_file())


def settings_file() -> Path:
    """The file that is read: the one `QFLIB_SETTINGS` names, else qflib.toml in the working folder."""
    return Path(os.environ.get("QFLIB_SETTINGS", FILE))


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
    what = first["msg"][:1].lower() + first["msg"][1:]
    return f"setting {name!r} is {first['input']!r}: {what}; set it right ({where})"
