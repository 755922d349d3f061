"""Where the processes of the desk in a folder serve their metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from qflib.stream.folder import DeskFolder


def metrics_of(folder: Path) -> Callable[[], Mapping[str, str]]:
    """For `HealthView`: process -> URL, as the process that runs the desk tells it now; nothing where none does.

    Parameters
    ----------
    folder
        The desk's, as ``runs/up``.

    Examples
    --------
    >>> from pathlib import Path
    >>> metrics_of(Path("runs/none"))()
    {}
    """
    desk = DeskFolder(folder)

    def told() -> Mapping[str, str]:
        ports = (desk.running() or {}).get("ports", {})
        return {name: f"http://127.0.0.1:{port}/metrics" for name, port in ports.items() if port}

    return told
