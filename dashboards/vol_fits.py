"""Smiles for all sessions: made in a thread where a page asks, as often as the view has new ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from qflib.errors import QflibError

if TYPE_CHECKING:
    from qflib.views import Views
    from qflib.views.vols import VolState

_LEAST_S = 0.4  # between two asks of the view, which fits once a second at most
_log = structlog.get_logger(__name__)


class Fitted(NamedTuple):
    """The newest smiles, or why there are none, or no newer ones."""

    state: VolState | None
    error: str


class VolFits:
    """One a process.

    Parameters
    ----------
    views
        The read model.
    submit
        Has a job done in a thread.
    """

    def __init__(self, views: Views, submit: Callable[[Callable[[], None]], Any]) -> None:
        self._views, self._submit = views, submit
        self._running: set[str] = set()
        self._asked: dict[str, float] = {}
        self._errors: dict[str, str] = {}
        self._lock = Lock()

    def get(self, underlying: str) -> Fitted:
        """What there is, at once; has newer ones made."""
        now = time.monotonic()
        with self._lock:
            begin = underlying not in self._running and now - self._asked.get(underlying, 0.0) >= _LEAST_S
            if begin:
                self._running.add(underlying)
                self._asked[underlying] = now
        if begin:
            self._submit(lambda: self._fit(underlying))
        return Fitted(self._views.vols.latest(underlying), self._errors.get(underlying, ""))

    def _fit(self, underlying: str) -> None:
        error = ""
        try:
            self._views.vols.fit(underlying)
        except QflibError as e:
            error = str(e)
        except Exception as e:  # the page says so, and asks again
            error = f"the smiles could not be computed ({type(e).__name__}); see the dashboard's log"
            _log.exception("smiles failed", underlying=underlying)
        finally:
            self._errors[underlying] = error
            with self._lock:
                self._running.discard(underlying)
