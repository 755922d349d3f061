"""A notebook executed by papermill, in a kernel of its own; what passes by itself is tried again in a fresh one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential
from traitlets.config import Config

_log = structlog.get_logger(__name__)

RETRIES = 2
START_S = 60
#: Seconds before the next kernel, twice as many each time: a store that is away is not hammered.
_WAIT = wait_exponential(multiplier=0.5, max=30)
#: What jupyter_client says of a kernel that does not start; it has no class of its own for it.
_NOT_STARTED = ("Kernel didn't respond", "Kernel died before")
#: Errors of a cell that are of the moment: a store or a service that did not answer. Whatever else a cell raises it
#: raises again.
TRANSIENT = frozenset(
    {
        "TimeoutError", "ConnectionError", "ConnectionRefusedError", "ConnectionResetError", "ConnectionAbortedError",
        "BrokenPipeError", "BrokerError", "ConnectError", "ConnectTimeout", "ReadTimeout", "CommitFailedError",
    }
)  # fmt: skip


class FailedError(Exception):
    """The notebook did not run to its end; the text is one sentence.

    Parameters
    ----------
    reason
        The sentence.
    attempts
        How many kernels it took.
    """

    def __init__(self, reason: str, attempts: int = 1) -> None:
        super().__init__(reason)
        self.attempts = attempts


class _TransientError(Exception):
    """It may pass by itself."""


def execute(
    notebook: Path,
    to: Path,
    parameters: Mapping[str, Any],
    *,
    timeout_s: float,
    progress: bool,
    retries: int = RETRIES,
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
    retries
        How often it is tried again where a kernel died or did not start, or a cell raised one of `TRANSIENT`.
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
        If a cell raised or took too long, or every kernel was lost.
    """
    trying = Retrying(
        retry=retry_if_exception_type(_TransientError),
        stop=stop_after_attempt(retries + 1),
        wait=_WAIT,
        before_sleep=_told,
        reraise=True,
    )
    try:
        trying(_once, notebook, to, dict(parameters), timeout_s, progress, start_s, dict(environment or {}))
    except _TransientError as e:
        times = f", {retries + 1} times" if retries else ""
        raise FailedError(f"{e}{times}", retries + 1) from None
    except FailedError as e:
        raise FailedError(str(e), int(trying.statistics["attempt_number"])) from None
    return int(trying.statistics["attempt_number"])


def _once(
    notebook: Path,
    to: Path,
    parameters: dict[str, Any],
    timeout_s: float,
    progress: bool,
    start_s: int,
    environment: dict[str, str],
) -> None:
    from jupyter_client.manager import AsyncKernelManager
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill import execute_notebook
    from papermill.exceptions import PapermillExecutionError

    class Manager(AsyncKernelManager):
        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
            await super().start_kernel(**{"env": {**os.environ, **environment}} | options)

    with TemporaryDirectory(prefix="qf-") as own:  # short: a socket's path has 107 bytes at most
        try:
            execute_notebook(
                str(notebook),
                str(to),
                parameters=parameters,
                kernel_name="python3",  # that of this environment, whatever the notebook was written in
                language="python",
                progress_bar=progress,
                start_timeout=start_s,
                execution_timeout=max(1, round(timeout_s)),
                # sockets in a folder of this user's alone: a port of this machine is everybody's on it
                config=Config({"KernelManager": {"transport": "ipc", "ip": str(Path(own, "k"))}}),
                kernel_manager_class=Manager,
            )
        except PapermillExecutionError as e:
            said = f"cell {e.cell_index} raised {e.ename}: {' '.join(str(e.evalue).split())}"
            raise (_TransientError if e.ename in TRANSIENT else FailedError)(said) from None
        except CellTimeoutError:
            raise FailedError(f"a cell took longer than {timeout_s:g} s (timeout_s)") from None
        except RuntimeError as e:
            if isinstance(e, DeadKernelError):
                raise _TransientError("its kernel died") from None
            if str(e).startswith(_NOT_STARTED):
                raise _TransientError(f"its kernel did not start within {start_s} s") from None
            raise


def _told(state: RetryCallState) -> None:
    reason = str(state.outcome.exception()) if state.outcome is not None else ""
    _log.warning("again in a fresh kernel", reason=reason, attempt=state.attempt_number)
