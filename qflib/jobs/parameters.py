"""Typed parameters of a job: what it takes, and what it was given."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, StrictBool, StrictFloat, StrictInt, StrictStr

from qflib.errors import InputError

Value = StrictBool | StrictInt | StrictFloat | StrictStr
_TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
_SAID = {"str": "text", "int": "a whole number", "float": "a finite number", "bool": "true or false"}


class Parameter(BaseModel):
    """A parameter as the job's file declares it.

    Parameters
    ----------
    type
        "str", "int", "float" or "bool".
    default
        Its value where none is given.
    help
        A line for whoever gives it.
    choices
        The only values; empty: any.

    Examples
    --------
    >>> from qflib.jobs import Parameter
    >>> Parameter(type="int", default=7).default
    7
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["str", "int", "float", "bool"]
    default: Value
    help: str = ""
    choices: tuple[Value, ...] = ()


def checked(job: str, name: str, parameter: Parameter, value: Any) -> Value:
    """A value of the parameter's type, and one of its choices.

    Raises
    ------
    InputError
        If it is not.

    Examples
    --------
    >>> from qflib.jobs.parameters import Parameter, checked
    >>> checked("daily_risk", "level", Parameter(type="float", default=0.9), 1)
    1.0
    """
    kind = _TYPES[parameter.type]
    try:
        made: Any = float(value) if kind is float and type(value) is int else value
    except OverflowError:
        raise _wrong(job, name, parameter, "a number of hundreds of digits") from None
    finite = not isinstance(made, float) or math.isfinite(made)
    if not finite or type(made).__name__ != parameter.type:  # by name: true is no whole number
        raise _wrong(job, name, parameter, value)
    if parameter.choices and made not in parameter.choices:
        raise InputError(
            f"parameter {name} of job {job} is {made!r}; give one of {', '.join(map(str, parameter.choices))}"
        )
    out: Value = made
    return out


def from_text(job: str, declared: Mapping[str, Parameter], given: list[str]) -> dict[str, Any]:
    """Values of ``name=value`` texts, by the types declared; names that are not declared keep their text.

    Raises
    ------
    InputError
        If a text has no ``=``, a name is given twice, or a value does not read as its type.

    Examples
    --------
    >>> from qflib.jobs.parameters import Parameter, from_text
    >>> from_text("daily_risk", {"seed": Parameter(type="int", default=7)}, ["seed=11"])
    {'seed': 11}
    """
    out: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"parameter {text!r} is not name=value; write it as -p seed=7")
        if name in out:
            raise InputError(f"parameter {name} is given twice; give it once")
        out[name] = _read(job, name, declared[name], value) if name in declared else value
    return out


def resolved(job: str, declared: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Value]:
    """What the notebook gets: the values given, checked, and the defaults of the others, in the file's order.

    Raises
    ------
    InputError
        If a name is not declared, or a value has another type or is no choice.

    Examples
    --------
    >>> from qflib.jobs.parameters import Parameter, resolved
    >>> resolved("daily_risk", {"seed": Parameter(type="int", default=7)}, {})
    {'seed': 7}
    """
    for name in given:
        if name not in declared:
            near = difflib.get_close_matches(name, declared, n=1)
            known = f"it has {', '.join(declared)}" if declared else "it has none"
            mend = f"did you mean {near[0]}?" if near else known
            raise InputError(f"job {job} has no parameter {name!r}; {mend}")
    return {name: checked(job, name, p, given.get(name, p.default)) for name, p in declared.items()}


def _read(job: str, name: str, parameter: Parameter, text: str) -> Any:
    if parameter.type == "str":
        return text
    if parameter.type == "bool":
        if text.lower() not in ("true", "false"):
            raise _wrong(job, name, parameter, text)
        return text.lower() == "true"
    try:
        return int(text) if parameter.type == "int" else float(text)
    except ValueError:
        raise _wrong(job, name, parameter, text) from None


def _wrong(job: str, name: str, parameter: Parameter, value: Any) -> InputError:
    return InputError(f"parameter {name} of job {job} is {value!r}; give {_SAID[parameter.type]}")
