"""A notebook executed by papermill, in a kernel of its own; a kernel that dies or does not start is tried again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
from traitlets.config import Config

_log = structlog.get_logger(__name__)

ATTEMPTS = 3
START_S = 60
#: Runner and kernel speak over a port of this machine, which others on it can read: enciphered where the kernel can.
_SEALED = Config({"KernelManager": {"transport_encryption": "auto"}})
#: What jupyter_client says of a kernel that does not start; it has no class of its own for it.
_NOT_STARTED = ("Kernel didn't respond", "Kernel died before")


class FailedError(Exception):
    """The notebook did not run to its end; the text is one sentence."""


def execute(
    notebook: Path,
    to: Path,
    parameters: Mapping[str, Any],
    *,
    timeout_s: float,
    progress: bool,
    start_s: int = START_S,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run a notebook, and keep it with its outputs, cell by cell.

    Parameters
    ----------
    notebook, to
        What is run, and where it is kept.
    parameters
        For the cell tagged ``parameters``.
    timeout_s
        Seconds that a cell may take.
    progress
        Show a bar.
    start_s
        Seconds that a kernel may take to start.
    environment
        Variables that the kernel has over those of this process.

    Returns
    -------
    int
        How many kernels it took.

    Raises
    ------
    FailedError
        If a cell raised or took too long, or every kernel died or did not start.
    """
    from jupyter_client.manager import AsyncKernelManager
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill import execute_notebook
    from papermill.exceptions import PapermillExecutionError

    class Manager(AsyncKernelManager):
        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
            await super().start_kernel(**{"env": {**os.environ, **(environment or {})}} | options)

    for attempt in range(1, ATTEMPTS + 1):
        try:
            execute_notebook(
                str(notebook),
                str(to),
                parameters=dict(parameters),
                kernel_name="python3",  # that of this environment, whatever the notebook was written in
                language="python",
                progress_bar=progress,
                start_timeout=start_s,
                execution_timeout=max(1, round(timeout_s)),
                config=_SEALED,
                kernel_manager_class=Manager,
            )
        except PapermillExecutionError as e:
            raise FailedError(f"cell {e.cell_index} raised {e.ename}: {' '.join(str(e.evalue).split())}") from None
        except CellTimeoutError:
            raise FailedError(f"a cell took longer than {timeout_s:g} s (timeout_s)") from None
        except RuntimeError as e:
            dead = isinstance(e, DeadKernelError)
            if not dead and not str(e).startswith(_NOT_STARTED):
                raise
            said = "its kernel died" if dead else f"its kernel did not start within {start_s} s"
            if attempt == ATTEMPTS:
                raise FailedError(f"{said}, {ATTEMPTS} times") from None
            _log.warning("kernel lost; again in a fresh one", reason=said, attempt=attempt)
        else:
            return attempt
    raise AssertionError("unreachable")
