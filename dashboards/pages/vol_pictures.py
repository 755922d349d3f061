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
    _vol("svi", "SVI"),
    {"k": "miss", "label": "miss", "f": "signed", "d": 2, "tone": "off",
     "title": "the slice less the mid in half-spreads of vol, out of the money"},
    _vol("ssvi", "SSVI", cls="mid"),
    {"k": "status", "label": "without a vol", "tone": "amiss"},
]  # fmt: skip
FLAGS = [
    {"k": "expiry", "label": "expiry"},
    _vol("atm", "ATM", cls="strong", title="vol at the money, of the slice, else of the surface"),
    {"k": "butterfly", "label": "butterfly", "tone": "bent",
     "title": "least of Durrleman's g of the slice on its quoted range: below 0 a butterfly is an arbitrage; quoted: "
     "those that cost less than nothing at bid and ask, at neighbouring strikes"},
    {"k": "calendar", "label": "calendar", "tone": "falls",
     "title": "whether total variance falls from the slice before; quoted: those that cost less than nothing"},
    {"k": "svi", "label": "SVI", "f": "num", "d": 3, "title": "rmse of the slice less the mid, in vol points"},
    {"k": "ssvi", "label": "SSVI", "f": "num", "d": 3, "cls": "mid",
     "title": "rmse of the surface less the mid"},
    {"k": "outside", "label": "outside", "cls": "num", "align": "right", "tone": "off",
     "title": "of the quotes fitted to, those with the slice (the surface) outside bid and ask"},
]  # fmt: skip
_DAYS = 365.0
_LEAST_POINTS = 1.0  # of the term structure's scale: less is the quotes' noise


def expiries_of(state: VolState) -> list[tuple[str, pd.Timestamp]]:
    """Keys and instants of the expiries, nearest first; those of one day are told apart by their time."""
    index = state.smiles.expiries.index
    days = [f"{t:%d %b %y}" for t in index]
    return [(f"{t:%d %b %y %H:%M}" if days.count(d) > 1 else d, t) for d, t in zip(days, index, strict=True)]


def smile_message(state: VolState, expiry: pd.Timestamp) -> Message:
    """Bid to ask of an expiry's options out of the money, its slice, the surface, its neighbours' fits faintly."""
    smiles, row = state.smiles, _row(state, expiry)
    if smiles.surface is None and not smiles.quotes["iv"].notna().any():
        return {"text": smiles.reason}
    q = smiles.quotes
    own = _drawn(q[q["expiry"] == expiry]).sort_values("strike")
    if own.empty:
        return {"text": smiles.reason or "No option of this expiry has a vol."}
    series: list[dict[str, Any]] = []
    at = smiles.expiries.index.get_loc(expiry)
    low, high = float(own["strike"].min()), float(own["strike"].max())
    for other in (*smiles.expiries.index[max(0, at - 1) : at], *smiles.expiries.index[at + 1 : at + 2]):
        x, y = _curve(state, other)
        inside = (x >= low) & (x <= high)
        if inside.any():
            more = {"label": f"{other:%d %b}", "alpha": 0.75, "width": 1.4, "aside": True}
            series.append(_line(x[inside], 100 * y[inside], "faint", **more))
    off = [_outside(o) for o in own.itertuples(index=False)]
    series.append(
        {"form": "bars", "color": "soft", "told": "bid to ask", "x": own["strike"].tolist(), "y": _points(own["iv"]),
         "lo": _points(own["bid_iv"]), "hi": _points(own["ask_iv"]), "off": off}
    )  # fmt: skip
    for fit, color, more in (
        ("ssvi", "ask", {"told": "SSVI surface", "dash": [5, 4], "width": 1.5}),
        ("svi", "accent", {"told": "SVI slice"}),
    ):
        strikes, vols = smiles.curve(expiry, fit)
        if len(strikes):
            series.append(_line(strikes, 100 * vols, color, **more))
    forward = _number(row["forward"])
    marks = [] if forward is None else [{"x": forward, "label": f"forward {forward:,.6g}"}]
    return {
        "series": series, "marks": marks, "tips": _tips(own), "x": {"unit": "strike"}, "y": {"unit": "%"},
        "seq": state.stamp.seq,
    }  # fmt: skip


def term_message(state: VolState, expiry: pd.Timestamp) -> Message:
    """At the money over days to expiry: the fit between its expiries, too; the shown expiry is marked."""
    smiles = state.smiles
    if smiles.surface is None:
        return {"text": smiles.reason}
    fitted = smiles.expiries[smiles.expiries["atm_vol"].notna()]
    years, atm = fitted["years"].to_numpy(np.float64), fitted["atm_vol"].to_numpy(np.float64)
    days, vols = years * _DAYS, 100 * atm
    dense = np.unique(np.concatenate([years, np.linspace(years[0], years[-1], 60)]))
    between = 100 * np.sqrt(np.interp(dense, years, atm * atm * years) / dense)  # total variance is linear in time
    here = float(_row(state, expiry)["years"]) * _DAYS
    at = np.isclose(days, here)
    tips = [
        [float(d), f"{t:%d %b %y}\n{v:.2f} % at the money"] for d, v, t in zip(days, vols, fitted.index, strict=True)
    ]
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
    own = q[q["expiry"] == expiry].sort_values(["strike", "right"])
    forward = _number(_row(state, expiry)["forward"])
    for o in own.itertuples(index=False):
        strike, right = float(o.strike), str(o.right)
        row = rows.setdefault(
            strike, {
                "id": f"{strike:.10g}", "strike": [strike, min(4, digits(strike))],
                "svi": _number(o.svi), "ssvi": _number(o.ssvi),
            },
        )  # fmt: skip
        row[f"{right[0]}_bid"], row[f"{right[0]}_ask"] = _number(o.bid_iv), _number(o.ask_iv)
        if o.iv_status != "ok":
            row["status"] = " · ".join(filter(None, [row.get("status"), f"{right} {o.iv_status}"]))
            row["amiss"] = "warn"
        if o.used or (right == _wing(strike, forward) and "miss" not in row):
            row["miss"] = _number(o.svi_miss)
            row["off"] = "bad" if _outside(o) else "mid"
    if forward is not None and rows:
        rows[min(rows, key=lambda k: abs(k - forward))]["cls"] = "at"
    return [rows[k] for k in sorted(rows)]


def flag_rows(state: VolState, shown: pd.Timestamp) -> list[dict[str, Any]]:
    """A row an expiry: its fit and its flags."""
    made = []
    keys = {t: k for k, t in expiries_of(state)}
    for expiry, e in state.smiles.expiries.iterrows():
        fitted, rise = np.isfinite(e["least_g"]), e["least_rise"]
        bent, falls = bool(e["least_g"] < 0.0), bool(rise < 0.0)
        free = "free" if fitted else "no fit" if np.isnan(e["ssvi_rmse"]) else "few quotes"
        outside = [f"{e[n]:.0f}" if np.isfinite(e[n]) else "–" for n in ("svi_outside", "ssvi_outside")]
        made.append(
            {
                "id": keys[expiry],
                "expiry": keys[expiry],
                "atm": _number(e["atm_vol"]),
                "svi": _number(100 * e["svi_rmse"]),
                "ssvi": _number(100 * e["ssvi_rmse"]),
                "outside": f"{outside[0]} ({outside[1]}) of {e['n_used']:.0f}",
                "off": "bad" if e["svi_outside"] > 0 else "mid",
                "butterfly": _flag(f"g {e['least_g']:.2f}" if fitted else free, e["butterflies"]),
                "bent": _tone(bent or e["butterflies"] > 0, fitted),
                "calendar": _flag(f"falls {-rise:.1g}" if falls else free, e["calendars"]),
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
    return f"{' and '.join(found)} arbitrage" if found else "none in the slices, none in the quotes"


def _flag(fit: str, quoted: float) -> str:
    return f"{fit} · {quoted:.0f} quoted".replace("-", "−") if quoted > 0 else fit.replace("-", "−")


def _tone(raised: Any, fitted: Any) -> str:
    return "bad" if raised else "mid" if fitted else "warn"


def _drawn(own: pd.DataFrame) -> pd.DataFrame:
    """Quotes of an expiry out of the money with a vol at bid or ask, as far as the fits reach: further out are asks
    alone, many times as high.
    """
    wing = (own["k"] >= 0.0) == own["right"].isin(["call", "c", "C"])
    there = wing & (own["bid_iv"].notna() | own["ask_iv"].notna())
    used = own.loc[own["used"], "strike"]
    return own[there & own["strike"].between(used.min(), used.max())] if len(used) else own[there]


def _curve(state: VolState, expiry: pd.Timestamp) -> tuple[Any, Any]:
    """An expiry's slice, else the surface there."""
    x, y = state.smiles.curve(expiry)
    return (x, y) if len(x) else state.smiles.curve(expiry, "ssvi")


def _outside(o: Any) -> bool:
    """Whether the fit, the slice else the surface, lies outside bid and ask."""
    fit = o.svi if np.isfinite(o.svi) else o.ssvi
    return bool(fit < o.bid_iv or fit > o.ask_iv)


def _wing(strike: float, forward: float | None) -> str:
    return "call" if forward is None or strike >= forward else "put"


def _tips(own: pd.DataFrame) -> list[list[Any]]:
    made: list[list[Any]] = []
    for o in own.itertuples(index=False):
        lines = [f"{o.strike:.10g} {o.right}"]
        for name, v in (("ask", o.ask_iv), ("mid", o.iv), ("bid", o.bid_iv), ("svi", o.svi)):
            lines.append(f"{name} {100 * v:6.2f} %" if np.isfinite(v) else f"{name}      –")
        made.append([float(o.strike), "\n".join([*lines, *([] if o.iv_status == "ok" else [o.iv_status])])])
    return made


def _line(x: Any, y: Any, color: str, **more: Any) -> dict[str, Any]:
    return {"form": "line", "color": color, "x": x.tolist(), "y": [_number(v) for v in y], **more}


def _points(vols: Iterable[float]) -> list[float | None]:
    return [_number(100 * v) for v in vols]


def _row(state: VolState, expiry: pd.Timestamp) -> dict[str, float]:
    return {str(k): float(v) for k, v in state.smiles.expiries.loc[expiry].items()}


def _number(v: float) -> float | None:
    return float(v) if np.isfinite(v) else None
