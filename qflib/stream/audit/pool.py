"""Independent parts of an audit, a process each."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

T = TypeVar("T")


def run(
    work: Callable[..., T], tasks: Sequence[tuple[Any, ...]], jobs: int, told: Callable[[], None] | None = None
) -> Iterator[T]:
    """The results of `work` on each task, as they come.

    Parameters
    ----------
    work
        A function of a module.
    tasks
        Its arguments, the longest first.
    jobs
        Processes at once; 1: none but this one.
    told
        Called after each.
    """
    if jobs == 1 or len(tasks) < 2:
        for task in tasks:
            yield work(*task)
            if told is not None:
                told()
        return
    # Kafka's client has threads: a forked child would wait for them for ever
    with ProcessPoolExecutor(min(jobs, len(tasks)), multiprocessing.get_context("spawn")) as pool:
        for done in as_completed([pool.submit(work, *task) for task in tasks]):
            yield done.result()
            if told is not None:
                told()
