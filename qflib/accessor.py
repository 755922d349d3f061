"""The DataFrame accessor ``.qf``: what a chain, a P&L or a book frame can do, said on the frame itself."""

from __future__ import annotations

import importlib
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:  # registering must stay light: what a method needs it imports itself
    from qflib.pricing.inversion import Model, Policy
    from qflib.pricing.sensitivities import Units

#: method -> (module, function whose first argument is the frame); loaded at first use
ELSEWHERE: dict[str, tuple[str, str]] = {
    "expected_shortfall": ("qflib.shortfall", "expected_shortfall"),
    "features": ("qflib.orderbook.bars", "features"),
    "bars": ("qflib.orderbook.bars", "bars"),
    "plot_book": ("qflib.orderbook.plot", "plot_book"),
}


@pd.api.extensions.register_dataframe_accessor("qf")
class QfAccessor:
    """qflib's methods on a DataFrame.

    Examples
    --------
    >>> import pandas as pd, qflib.accessor
    >>> chain = pd.DataFrame({"right": ["call"], "strike": [100.0], "years": [0.5], "forward": [101.0], "mid": [6.0]})
    >>> chain["expiry"] = pd.Timestamp("2026-07-01T21:00Z")
    >>> chain[["iv", "iv_status"]] = chain.qf.implied_vol(price="mid")
    >>> chain["iv"].round(4).tolist(), chain["iv_status"].tolist()
    ([0.1936], ['ok'])
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def implied_vol(self, price: str = "mid", model: Model = "lognormal", policy: Policy = "nan") -> pd.DataFrame:
        """Implied vols of a chain's column of prices.

        Parameters
        ----------
        price
            The column: "mid", "bid", "ask" or another.
        model, policy
            As in `qflib.pricing.implied_vol`.

        Returns
        -------
        DataFrame
            Columns iv and iv_status, the chain's index.

        Raises
        ------
        InputError
            If a column is missing, a value out of range, or by the policy.
        """
        from qflib.pricing.chain import chain_implied_vol

        return chain_implied_vol(self._frame, price, model, policy)

    def greeks(self, units: Units = "natural") -> pd.DataFrame:
        """Black-76 price and Greeks of a chain, from its column `iv`, else implied from `mid`.

        Parameters
        ----------
        units
            "natural" or "trader", as in `qflib.pricing.greeks`.

        Returns
        -------
        DataFrame
            A column a Greek, the chain's index; NaN where there is no vol.

        Raises
        ------
        InputError
            If a column is missing or a value out of range.
        """
        from qflib.pricing.chain import chain_greeks

        return chain_greeks(self._frame, units)

    def plot_smile(self) -> Any:
        """Implied vol of a chain over strike, an expiry a colour; a HoloViews object."""
        from qflib.pricing.chain import plot_smile

        return plot_smile(self._frame)

    def __getattr__(self, name: str) -> Any:
        if name not in ELSEWHERE:
            raise AttributeError(f"df.qf has no {name!r}; it has {', '.join(dir(self))}")
        module, function = ELSEWHERE[name]
        return partial(getattr(importlib.import_module(module), function), self._frame)

    def __dir__(self) -> list[str]:
        return sorted(["implied_vol", "greeks", "plot_smile", *ELSEWHERE])
