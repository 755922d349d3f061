"""The real adapter: the desk's key file, and orders through the API's client."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dashboards.api_trading import ApiTrading, folder_key, verifier
from dashboards.trading import NewOrder, NoTrading, RefusedError, UnknownOutcomeError
from qflib.api.client.api_error import ApiError
from qflib.api.keys import FILE, KeyStore, development_key

ORDER = NewOrder("dash-1", "DASHBOARD", "DESK1", "ACME.F", "buy", "limit", "gtc", "5", "100.02")


FAULTS = {
    "51": ApiError("sent, and not confirmed in time", "unknown_outcome", 503),
    "52": ApiError("the desk does not answer", "unreachable"),
    "53": ApiError("the answer is no problem document", "foreign", 502),
    "54": ApiError("the broker is away; nothing was sent", "broker_unavailable", 503),
    "55": ApiError("the id has been used for another order", "duplicate_client_order_id", 409),
    "56": ApiError("too many requests", "rate_limited", 429),
}


class Client:
    """Notes what it is asked."""

    def __init__(self, url: str, key: str) -> None:
        self.made, self.told = (url, key), []

    def order(self, *values: Any, **named: Any) -> None:
        if values[2] == "0":
            raise ApiError("qty 0 is not above 0", "bad_quantity", 422)
        if values[2] in FAULTS:
            raise FAULTS[values[2]]
        self.told.append((*values, named["client_order_id"]))

    def cancel(self, name: str, account: str) -> None:
        self.told.append((name, account))


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[Client]:
    made: list[Client] = []

    def connect(url: str, key: str) -> Client:
        made.append(Client(url, key))
        return made[-1]

    monkeypatch.setattr("qflib.api.client.connect", connect)
    return made


def test_orders_go_with_the_key_of_who_sends_them(clients: list[Client]) -> None:
    trading = ApiTrading("http://127.0.0.1:8000")
    assert trading.place("k1", ORDER) == "sent: buy 5 ACME.F at 100.02"
    assert "market" not in trading.place("k2", replace(ORDER, ord_type="market", price=""))
    trading.cancel("k1", "DASHBOARD", "dash-1")
    assert [c.made for c in clients] == [("http://127.0.0.1:8000", "k1"), ("http://127.0.0.1:8000", "k2")]
    assert clients[0].told == [("ACME.F", "buy", "5", "100.02", "dash-1"), ("dash-1", "DASHBOARD")]
    assert clients[1].told == [("ACME.F", "buy", "5", None, "dash-1")]


def test_a_refusal_says_why(clients: list[Client]) -> None:
    with pytest.raises(RefusedError, match=r"qty 0 is not above 0 \(bad_quantity\)"):
        ApiTrading("http://127.0.0.1:8000").place("k", replace(ORDER, qty="0"))
    with pytest.raises(RefusedError, match="--api"):
        NoTrading().place("k", ORDER)


@pytest.mark.parametrize("qty", FAULTS)
def test_what_is_not_known_is_not_called_refused(clients: list[Client], qty: str) -> None:
    with pytest.raises(RefusedError) as told:
        ApiTrading("http://127.0.0.1:8000").place("k", replace(ORDER, qty=qty))
    assert isinstance(told.value, UnknownOutcomeError) == (qty in ("51", "52", "53"))


def test_keys_are_the_desks_own(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / FILE)
    text, key = store.create("me", "trade")
    verify = verifier(tmp_path)
    found = verify(text)
    assert found is not None
    assert found.may_trade
    store.revoke(key.key_id)
    assert verifier(tmp_path)(text) is None
    assert folder_key(tmp_path) == ""
    assert development_key(tmp_path, "http://127.0.0.1:8000") == folder_key(tmp_path)
