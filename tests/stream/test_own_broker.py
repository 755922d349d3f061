"""A desk's own broker is started again until it runs: also where its first start again fails."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from qflib.broker.local import LocalBroker
from qflib.errors import BrokerError
from qflib.stream.own_broker import OwnBroker
from qflib.stream.restarts import CRASHES


@pytest.fixture
def desks(own_broker: LocalBroker) -> OwnBroker:
    made = OwnBroker(own_broker, own_broker.connection, 1, 1)
    made.start()
    _wait(made, lambda: made.ready)
    return made


def _wait(one: OwnBroker, until: Callable[[], bool], patience_s: float = 90.0) -> None:
    end = time.monotonic() + patience_s
    while not until():
        assert time.monotonic() < end
        one.tend()
        time.sleep(0.02)


@pytest.mark.faults
def test_a_start_that_fails_is_tried_again(desks: OwnBroker, own_broker: LocalBroker) -> None:
    place = own_broker.connection.bootstrap.split(":")
    own_broker.crash()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((place[0], int(place[1])))
        taken.listen()
        _wait(desks, lambda: desks.restarts == 2)
        assert not desks.ready
    _wait(desks, lambda: desks.ready)
    assert own_broker.status().running


@pytest.mark.faults
def test_it_is_given_up_where_it_dies_again_and_again(desks: OwnBroker, own_broker: LocalBroker) -> None:
    def killed() -> bool:
        own_broker.crash()
        return False

    with pytest.raises(BrokerError, match="again and again"):
        _wait(desks, killed)
    assert desks.restarts == CRASHES - 1
