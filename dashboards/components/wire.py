"""A component that is told messages: the one place that uses Panel's private way to send them.

A message sent before the browser has drawn a component would be lost: the JavaScript says "ready" first, and is then
told all there is; that holds for a session that comes back, too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from panel.custom import JSComponent
from panel.io.state import state

HERE = Path(__file__).parent
#: What all components have in common; the colours are the page's custom properties.
BASE_STYLE = (HERE / "base.css").read_text(encoding="utf-8")

Message = dict[str, Any]


def style(name: str) -> list[str]:
    """The style sheets of a component."""
    return [BASE_STYLE, (HERE / f"{name}.css").read_text(encoding="utf-8")]


class Wire(JSComponent):
    """Sends to its JavaScript, and hears from it.

    Parameters
    ----------
    ready
        Called when the browser has drawn it.
    heard
        Called with each other message of the browser.

    Attributes
    ----------
    admits
        Whether the browser may still say anything; the session sets it, and nothing is heard before.
    """

    __abstract = True
    _esm: ClassVar[str] = "export function render() {}"

    def __init__(
        self,
        ready: Callable[[], None] | None = None,
        heard: Callable[[Message], None] | None = None,
        **params: Any,
    ) -> None:
        params.setdefault("sizing_mode", "stretch_both")
        super().__init__(**params)
        self._when_ready, self._when_heard = ready, heard
        self.is_ready = False
        self.admits: Callable[[], bool] = lambda: False

    def send(self, message: Message) -> None:
        """Tell the browser, where it listens."""
        if self.is_ready:
            self._send_msg(message)

    def heard(self, data: Any) -> None:
        """Take a message of the browser; anything may come from there."""
        if not isinstance(data, dict) or not self.admits():
            return
        if data.get("op") == "ready":
            self.is_ready = True
            if self._when_ready is not None:
                self._when_ready()
        elif self._when_heard is not None:
            self._when_heard(data)

    def _handle_msg(self, data: Any) -> None:
        doc = state.curdoc  # Panel calls this without the document's lock, and who hears may change what is drawn
        if doc is None or doc.session_context is None:
            self.heard(data)
        else:
            doc.add_next_tick_callback(partial(self.heard, data))
