"""How a process of the desk ends: started again, or refused, and in a sentence."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from qflib.errors import BrokerError, FullDiskError, QflibError, StateError, StoreUnavailableError
from qflib.stream.process import FAILED, REFUSED, main


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root, handlers, level = logging.getLogger(), logging.getLogger().handlers[:], logging.getLogger().level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    ("why", "code"),
    [
        (BrokerError("no answer"), FAILED),
        (StoreUnavailableError("the server is away"), FAILED),
        (FullDiskError("no room"), FAILED),
        (StateError("another desk's"), REFUSED),
    ],
)
def test_what_passes_is_started_again_and_what_does_not_is_refused(
    why: QflibError, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    def work(told: str) -> None:
        raise why

    with pytest.raises(SystemExit) as ended:
        main("exchange", work, str)
    assert ended.value.code == code
    assert capfd.readouterr().err == f"exchange: {why}\n"


def test_who_leaves_off_as_asked_ends_with_0(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main("exchange", lambda told: None, str)
    assert ended.value.code == 0
    assert capfd.readouterr().err == ""
