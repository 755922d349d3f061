"""The pictures of the recalibration report, by hvPlot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qflib.jobs.recalibration import Recalibration

_SEEN = 1_000  # of the moves before


def smiles(report: Recalibration) -> Any:
    """Bid and ask vols with the fits, an underlying a picture.

    Examples
    --------
    >>> from qflib.jobs import recalibration_pictures as draw
    >>> from qflib.jobs.recalibration_source import recalibration
    >>> len(draw.smiles(recalibration("2026-01-05", source="sim", duration="3s")))
    4
    """
    made = [told.plot().opts(width=560, height=320, title=name) for name, told in report.smiles.items()]
    return sum(made[1:], made[0]).cols(2).opts(shared_axes=False)


def moves(report: Recalibration) -> Any:
    """Returns against vol shifts of the last days, the date's own as a dot that is seen."""
    import hvplot.pandas  # noqa: F401

    panels = []
    for name in report.proposed.underlyings:
        spot, vol = (report.history[(name, f)].to_numpy(np.float64) for f in ("spot", "atm_vol"))
        rows = pd.DataFrame({"spot_return": 100 * (spot[1:] / spot[:-1] - 1.0), "vol_shift": 100 * np.diff(vol)})
        style = {"x": "spot_return", "y": "vol_shift", "width": 420, "height": 320, "grid": True, "title": name,
                 "xlabel": "return, per cent", "ylabel": "vol shift, points"}  # fmt: skip
        before = rows[:-1].tail(_SEEN).hvplot.scatter(color="#8a8f98", alpha=0.35, size=8, **style)
        panels.append(before * rows[-1:].hvplot.scatter(color="#b0413e", size=110, line_color="black", **style))
    return sum(panels[1:], panels[0]).cols(2).opts(shared_axes=False)
