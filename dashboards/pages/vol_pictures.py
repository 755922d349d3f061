"""What the Vol page's pictures and tables are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dashboards.components.heatmap import digits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dashboards.components.wire import Message
    from qflib.views.vols import VolState


def _vol(k: str, label: str, **more: Any) -> dict[str, Any]:
    return {"k": k, "label": label, "f": "percent", "d": 2, **more}


QUOTES = [
    _vol("c_bid", "call bid", cls="buy"),
    _vol("c_ask", "call ask", cls="sell"),
    {"k": "strike", "label": "strike", "f": "each", "align": "center", "cls": "strong"},
    _vol("p_bid", "put bid", cls="buy"),
    _vol("p_ask", "put ask", cls="sell"),
    _vol("fit", "fit"),
    {"k": "miss", "label": "miss", "f": "signed", "d": 2, "tone": "off",
     "title": "fit less mid in half-spreads of vol, of the side out of the money: beyond 1 it is outside bid and ask"},
    {"k": "status", "label": "without a vol", "tone": "amiss"},
]  # fmt: skip
FLAGS = [
    {"k": "expiry", "label": "expiry"},
    _vol("atm", "at the money", cls="strong"),
    {"k": "rmse", "label": "rmse", "f": "num", "d": 3, "title": "of fit less mid, in vol points"},
    {"k": "used", "label": "quotes", "title": "fitted to, of all"},
    {"k": "outside", "label": "outside", "f": "num", "tone": "off", "title": "quotes with the fit outside bid and ask"},
    {"k": "least_g", "label": "least g", "f": "num", "d": 2, "tone": "below",
     "title": "of Durrleman's g of the fit, on the quoted strikes twice as wide: below 0 a butterfly is an arbitrage"},
    {"k": "butterfly", "label": "butterfly", "tone": "bent",
     "title": "in the quotes: those that cost less than nothing at bid and ask, at neighbouring strikes"},
    {"k": "calendar", "label": "calendar", "tone": "falls",
     "title": "in the fit: total variance falls with time; in the quotes: those that cost less than nothing"},
]  # fmt: skip
_DAYS = 365.0
_LEAST_POINTS = 1.0  # of the term structure's scale: less is the quotes' noise
_OTHERS = 8  # neighbours of the expiry that is shown, drawn faint


def expiries_of(state: VolState) -> list[tuple[str, pd.Timestamp]]:
    """Keys and instants of the expiries, nearest first; those of one day are told apart by their time."""
    index = state.smiles.expiries.index
    days = [f"{t:%d %b %y}" for t in index]
    return [(f"{t:%d %b %y %H:%M}" if days.count(d) > 1 else d, t) for d, t in zip(days, index, strict=True)]


def smile_message(state: VolState, expiry: pd.Timestamp) -> Message:
    """Bid to ask of an expiry's options out of the money, its fit, the others' fits faintly."""
    smiles, row = state.smiles, _row(state, expiry)
    if smiles.surface is None and not smiles.quotes["iv"].notna().any():
        return {"text": smiles.reason}
    q = smiles.quotes
    own = q[(q["expiry"] == expiry) & _shown(q)].sort_values("strike")
    strikes, vols = smiles.curve(expiry)
    series: list[dict[str, Any]] = []
    near = sorted(smiles.expiries.index, key=lambda t: abs(t - expiry))[1 : _OTHERS + 1]
    low, high = float(own["strike"].min()), float(own["strike"].max())
    for other in near:
        x, y = smiles.curve(other)
        inside = (x >= low) & (x <= high)
        if inside.any():
            series.append(_line(x[inside], 100 * y[inside], "faint", label=f"{other:%d %b}", alpha=0.75, width=1.4))
    off = ((own["fitted"] < own["bid_iv"]) | (own["fitted"] > own["ask_iv"])).tolist()
    series.append(
        {"form": "bars", "color": "soft", "told": "bid to ask", "x": own["strike"].tolist(), "y": _points(own["iv"]),
         "lo": _points(own["bid_iv"]), "hi": _points(own["ask_iv"]), "off": off}
    )  # fmt: skip
    if len(strikes):
        series.append(_line(strikes, 100 * vols, "accent", told="fit"))
    forward = _number(row["forward"])
    marks = [] if forward is None else [{"x": forward, "label": f"forward {forward:,.6g}"}]
    return {
        "series": series, "marks": marks, "tips": _tips(own), "x": {"unit": "strike"}, "y": {"unit": "%"},
        "seq": state.stamp.seq,
    }  # fmt: skip


def term_message(state: VolState, expiry: pd.Timestamp) -> Message:
    """At the money over days to expiry: the fit between its expiries, too; the shown expiry is marked."""
    smiles, surface = state.smiles, state.smiles.surface
    if surface is None:
        return {"text": smiles.reason}
    days, vols = surface.years * _DAYS, 100 * np.sqrt(surface.theta / surface.years)
    dense = np.unique(np.concatenate([surface.years, np.linspace(surface.years[0], surface.years[-1], 60)]))
    between = 100 * np.sqrt(surface.total_variance(np.zeros_like(dense), dense) / dense)
    here = float(_row(state, expiry)["years"]) * _DAYS
    at = np.isclose(days, here)
    instants = np.sort(surface.quotes["expiry"].unique())
    tips = [[float(d), f"{t:%d %b %y}\n{v:.2f} % at the money"] for d, v, t in zip(days, vols, instants, strict=True)]
    return {
        "series": [
            _line(dense * _DAYS, between, "accent", width=1.6),
            {"form": "dots", "color": "accent", "x": days.tolist(), "y": vols.tolist(), "width": 3.5},
            {"form": "dots", "color": "ask", "x": days[at].tolist(), "y": vols[at].tolist(), "width": 5},
        ],
        "tips": tips, "x": {"unit": "days"}, "y": {"unit": "%", "least": _LEAST_POINTS}, "seq": state.stamp.seq,
    }  # fmt: skip


def quote_rows(state: VolState, expiry: pd.Timestamp) -> list[dict[str, Any]]:
    """A row a strike of an expiry: both sides' vols, the fit, and why an option has no vol."""
    q = state.smiles.quotes
    rows: dict[float, dict[str, Any]] = {}
    own = q[q["expiry"] == expiry].sort_values("strike")
    forward = _number(_row(state, expiry)["forward"])
    for symbol, o in zip(own.index, own.itertuples(index=False), strict=True):
        strike, right = float(o.strike), str(o.right)
        row = rows.setdefault(
            strike, {"id": f"{strike:g}", "strike": [strike, min(4, digits(strike))], "fit": _number(o.fitted)}
        )
        row[f"{right[0]}_bid"], row[f"{right[0]}_ask"] = _number(o.bid_iv), _number(o.ask_iv)
        if o.iv_status != "ok":
            row["status"], row["amiss"] = (
                " · ".join(filter(None, [row.get("status"), f"{right} {o.iv_status}"])),
                "warn",
            )
        if o.used or (right == _wing(strike, forward) and "miss" not in row):
            row["miss"] = _number(o.miss)
            row["off"] = "bad" if o.fitted < o.bid_iv or o.fitted > o.ask_iv else "mid"
        row["title"] = symbol
    if forward is not None and rows:
        rows[min(rows, key=lambda k: abs(k - forward))]["cls"] = "at"
    return [rows[k] for k in sorted(rows)]


def flag_rows(state: VolState, shown: pd.Timestamp) -> list[dict[str, Any]]:
    """A row an expiry: its fit and its flags."""
    made = []
    keys = {t: k for k, t in expiries_of(state)}
    for expiry, e in state.smiles.expiries.iterrows():
        fitted = np.isfinite(e["least_g"])
        bent, falls = bool(fitted and e["least_g"] < 0.0), bool(fitted and e["least_rise"] < -1e-12)
        made.append(
            {
                "id": keys[expiry],
                "expiry": keys[expiry],
                "atm": _number(e["atm_vol"]),
                "rmse": _number(100 * e["rmse"]),
                "used": f"{e['n_used']:.0f} of {e['n_quotes']:.0f}",
                "outside": _number(e["outside"]) if fitted else None,
                "off": "bad" if e["outside"] > 0 else "mid",
                "least_g": _number(e["least_g"]),
                "below": "bad" if bent else "mid",
                "butterfly": _flag(bent, fitted, e["butterflies"]),
                "bent": _tone(bent or e["butterflies"] > 0, fitted),
                "calendar": _flag(falls, fitted, e["calendars"]),
                "falls": _tone(falls or e["calendars"] > 0, fitted),
                "cls": "at" if expiry == shown else "",
            }
        )
    return made


def quotes_note(state: VolState, expiry: pd.Timestamp) -> str:
    """How many options an expiry has, and why some are without a vol."""
    q = state.smiles.quotes
    own = q.loc[q["expiry"] == expiry, "iv_status"]
    amiss = own[own != "ok"].value_counts()
    if not len(amiss):
        return f"vols of {len(own)} options"
    return f"vols of {len(own)} options, without: {', '.join(f'{n} {status}' for status, n in amiss.items())}"


def flags_note(state: VolState) -> str:
    """The verdict."""
    s = state.smiles
    if s.surface is None:
        return "no fit"
    found = [n for n, free in (("butterfly", s.butterfly_free), ("calendar", s.calendar_free)) if not free]
    return f"{' and '.join(found)} arbitrage" if found else "none: the fit and the quotes are free of it"


def _flag(raised: bool, fitted: Any, quoted: float) -> str:
    words = ["in the fit"] if raised else [] if fitted else ["no fit"]
    if quoted > 0:
        words.append(f"{quoted:.0f} in the quotes")
    return " · ".join(words) or "free"


def _tone(raised: Any, fitted: Any) -> str:
    return "bad" if raised else "mid" if fitted else "warn"


def _shown(q: pd.DataFrame) -> pd.Series[bool]:
    """The side out of the money with a vol at bid or ask."""
    wing = (q["k"] >= 0.0) == q["right"].isin(["call", "c", "C"])
    return wing & (q["bid_iv"].notna() | q["ask_iv"].notna())


def _wing(strike: float, forward: float | None) -> str:
    return "call" if forward is None or strike >= forward else "put"


def _tips(own: pd.DataFrame) -> list[list[Any]]:
    made: list[list[Any]] = []
    for o in own.itertuples(index=False):
        lines = [f"{o.strike:g} {o.right}"]
        for name, v in (("ask", o.ask_iv), ("mid", o.iv), ("bid", o.bid_iv), ("fit", o.fitted)):
            lines.append(f"{name} {100 * v:6.2f} %" if np.isfinite(v) else f"{name}      –")
        made.append([float(o.strike), "\n".join([*lines, *([] if o.iv_status == "ok" else [o.iv_status])])])
    return made


def _line(x: Any, y: Any, color: str, **more: Any) -> dict[str, Any]:
    return {"form": "line", "color": color, "x": x.tolist(), "y": y.tolist(), **more}


def _points(vols: Iterable[float]) -> list[float | None]:
    return [_number(100 * v) for v in vols]


def _row(state: VolState, expiry: pd.Timestamp) -> dict[str, float]:
    return {str(k): float(v) for k, v in state.smiles.expiries.loc[expiry].items()}


def _number(v: float) -> float | None:
    return float(v) if np.isfinite(v) else None
