"""Random commands for the matching engine: few ids and prices, so that everything meets everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qflib.kernels.engine_codes import (
    CANCEL,
    CLOCK,
    CLOSED,
    CLOSING,
    CONTINUOUS,
    GTC,
    GTD,
    HALT,
    KEEP,
    KILL,
    LIMIT,
    MASS_CANCEL,
    NEW,
    PRE_OPEN,
    REPLACE,
    SESSION,
)  # fmt: skip
from qflib.kernels.engine_state import COMMAND

ALL = 2**32 - 1
#: Instruments of four kinds: by time, pro rata with all its bounds, with band and collar, pro rata alone.
RULES = (
    {},
    {"algorithm": 1, "least_share": 2, "top_order": 5, "max_qty": 28},
    {"collar": 3, "lowest": 94, "highest": 107},
    {"algorithm": 1},
)
#: What makes a command senseless, a column each; the instrument is one there is not.
_WRONG = {
    "ord_type": 9, "time_in_force": 5, "options": 9, "side": 3, "qty": 2**41, "instrument": 0,
    "price_ticks": 2**55, "account": 2**25, "action": 99, "self_trade": 7, "display_qty": -1, "stop_ticks": -(2**60),
    "expire_ns": 1,
}  # fmt: skip


@dataclass(slots=True)
class Flow:
    """Where commands come from: how many instruments, ids an instrument, ticks around 100; and the time."""

    instruments: int = len(RULES)
    ids: int = 60
    span: int = 8
    calm: float = 0.0  # share of mass cancels, switches and sessions that are orders instead: books grow deeper
    time: int = 0

    def commands(self, rng: np.random.Generator, n: int) -> list[dict[str, int]]:
        """The next commands, as dictionaries of COMMAND's columns."""
        out = []
        names = [x for x in COMMAND.names or () if x != "spare"]
        for _ in range(n):
            self.time += int(rng.integers(0, 3))
            c = dict.fromkeys(names, 0) | {
                "action": int(NEW), "side": int(rng.integers(1, 3)), "ord_type": int(LIMIT), "time_in_force": int(GTC),
                "instrument": int(rng.integers(self.instruments)), "account": int(rng.integers(1, 5)),
                "order_id": int(rng.integers(1, self.ids)), "qty": int(rng.integers(1, 30)), "time_ns": self.time,
            }  # fmt: skip
            _fill(rng, c, self)
            out.append(c)
        return out


def random_commands(rng: np.random.Generator, n: int) -> list[dict[str, int]]:
    """Commands to the instruments of RULES."""
    return Flow().commands(rng, n)


def _fill(rng: np.random.Generator, c: dict[str, int], flow: Flow) -> None:
    kind = rng.random()
    if kind < 0.66 or (flow.calm and 0.9 <= kind < 0.965 and rng.random() < flow.calm):
        _order(rng, c, flow.span)
    elif kind < 0.76:
        c["action"] = int(CANCEL)
    elif kind < 0.9:
        c |= {"action": int(REPLACE), "side": int(rng.choice([0, 0, 0, 1, 2])), "price_ticks": _price(rng, flow.span)}
        if rng.random() < 0.2:
            c["price_ticks"] = 0
        elif rng.random() < 0.2:
            c["price_ticks"] = int(KEEP)
            c["stop_ticks"] = int(KEEP) if rng.random() < 0.7 else 0
        if rng.random() < 0.2:
            c["stop_ticks"] = _price(rng, flow.span)
        if rng.random() < 0.2:
            c["display_qty"] = int(rng.integers(1, c["qty"] + 1))
    elif kind < 0.91:
        c |= {"action": int(MASS_CANCEL), "side": int(rng.integers(3)), "account": int(rng.integers(5))}
        c["instrument"] = ALL if rng.random() < 0.3 else c["instrument"]
    elif kind < 0.925:
        account = 0 if rng.random() < 0.6 else c["account"]
        everywhere = account or rng.random() < 0.3
        c |= {"action": int(KILL), "qty": int(rng.random() < 0.2), "account": account}
        c["instrument"] = ALL if everywhere else c["instrument"]
    elif kind < 0.965:
        sessions = [int(s) for s in (PRE_OPEN, CONTINUOUS, HALT, CLOSED, CLOSING)]
        c |= {"action": int(SESSION), "qty": int(rng.choice(sessions, p=[0.22, 0.56, 0.04, 0.04, 0.14]))}
    elif kind < 0.98:
        c["action"] = int(CLOCK)
    else:
        column = str(rng.choice(list(_WRONG)))
        _order(rng, c, flow.span)
        c[column] = flow.instruments if column == "instrument" else _WRONG[column]


def _order(rng: np.random.Generator, c: dict[str, int], span: int) -> None:
    c["ord_type"] = int(rng.choice([1, 2, 3, 4], p=[0.08, 0.66, 0.13, 0.13]))
    c["time_in_force"] = int(rng.choice([0, 1, 2, 3, 4, 6, 7], p=[0.2, 0.4, 0.05, 0.1, 0.08, 0.12, 0.05]))
    priced = c["ord_type"] in (2, 4)
    c["price_ticks"] = _price(rng, span) if priced else 0
    c["stop_ticks"] = _price(rng, span) if c["ord_type"] >= 3 else 0
    if c["time_in_force"] == GTD:
        c["expire_ns"] = c["time_ns"] + int(rng.integers(-2, 60))
    if rng.random() < 0.4:
        c["self_trade"] = int(rng.integers(5))
    if priced and rng.random() < 0.2:
        c["display_qty"] = int(rng.integers(1, c["qty"] + 1))
    elif rng.random() < 0.12:
        c["options"] = int(rng.choice([1, 3, 4, 5, 7]))


def _price(rng: np.random.Generator, span: int) -> int:
    return 100 + int(rng.integers(-span, span + 1))


def as_rows(commands: list[dict[str, int]]) -> Any:
    """The same as rows of COMMAND."""
    rows = np.zeros(len(commands), COMMAND)
    for name in commands[0] if commands else ():
        rows[name] = [c[name] for c in commands]
    return rows
