"""Who comes in: keys, scopes, rates; and that a refusal tells nothing of the inside."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from litestar import get
from litestar.exceptions import WebSocketDisconnect
from litestar.routes import HTTPRoute, WebSocketRoute

from dashboards.api_trading import verifier
from qflib.api import keys as keys_module
from qflib.api.auth import PUBLIC, is_public
from qflib.api.keys import SCOPES, KeyStore, development_key
from qflib.api.rates import Rates
from qflib.errors import DataError, InputError
from tests.api.served import NOW_NS, ORDER, Served, served

PATHS = {"instrument": "ACME.F", "client_order_id": "o-1", "portfolio": "DESK1", "topic": "orders.executed",
         "underlying": "ACME"}  # fmt: skip


@pytest.fixture
def api(tmp_path: Path) -> Served:
    return served(tmp_path)


def routes(api: Served) -> list[tuple[str, str]]:
    made = []
    for route in api.app.routes:
        if isinstance(route, HTTPRoute):
            path = route.path_format
            for name, value in PATHS.items():
                path = path.replace(f"{{{name}}}", value)
            made += [(method, path) for method in sorted(route.methods)]
    return made


def sockets(api: Served) -> list[str]:
    return [r.path for r in api.app.routes if isinstance(r, WebSocketRoute)]


def test_no_socket_opens_without_a_key_of_its_scope(tmp_path: Path) -> None:
    api = served(tmp_path, failures=1e6)
    assert sorted(sockets(api)) == ["/v1/signals", "/v1/stream"]

    def code(path: str, headers: dict[str, str]) -> int:
        with client.websocket_connect(path, headers=headers) as ws, pytest.raises(WebSocketDisconnect) as end:
            ws.receive_text()
        return end.value.code

    with api.client(None) as client:
        for path in sockets(api):
            assert code(path, {}) == 4401, path
            assert code(path, {"authorization": "Bearer qf_a_b"}) == 4401, path
        for path, reader in (("/v1/signals", 4403), ("/v1/stream", 1013)):  # there is no stream here
            assert code(path, api.headers("read")) == reader


def test_a_route_that_declared_no_scope_needs_a_key(tmp_path: Path) -> None:
    api = served(tmp_path, more=[undeclared])
    with api.client(None) as client:
        assert client.get("/v1/nobody-declared-a-scope").status_code == 401
        assert client.get("/v1/nobody-declared-a-scope", headers=api.headers("read")).status_code == 200


def test_no_route_but_health_and_the_pages_answers_without_a_key(tmp_path: Path) -> None:
    api = served(tmp_path, failures=1e6)
    every = routes(api)
    assert len(every) > 40
    with api.client(None) as client:
        for method, path in every:
            answer = client.request(method, path, headers={"content-type": "application/json"}, content=b"{}")
            if is_public(path):
                assert answer.status_code < 500, path
            else:
                assert answer.status_code == 401, (method, path)
                assert answer.headers["www-authenticate"] == "Bearer"
                assert answer.json()["code"] == "unauthorised"
    assert PUBLIC == ("/healthz", "/readyz", "/schema")


def test_every_route_asks_for_its_scope(api: Served) -> None:
    """A reader changes nothing; a trader does not administer."""
    with api.client("read") as reader:
        for method, path in routes(api):
            if method in ("POST", "PUT", "DELETE"):
                answer = reader.request(method, path, params={"account": "A"} if method == "DELETE" else {}, json={})
                computes = path in ("/v1/pricing", "/v1/shortfall", "/v1/portfolios/DESK1/what-if")
                assert (answer.status_code == 403) != computes, (method, path)
                assert not api.sender.orders
    with api.client("trade") as trader:
        assert trader.post("/v1/orders", json=ORDER).status_code == 202
        for path in ("/v1/limits", "/v1/kill-switch"):
            assert trader.put(path, json={}).json()["code"] == "missing_scope"
        assert trader.post("/v1/portfolios/DESK1/positions", json={}).json()["code"] == "missing_scope"
    assert not api.sender.batches


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer qf_",
        "Bearer qf_a_b",
        "Basic cWY6",
        "Bearer qf_ÿ_ÿ",
        "Bearer " + "x" * 5_000,
    ],
)
def test_wrong_keys_are_refused(api: Served, shown: str) -> None:
    with api.client(None) as client:
        answer = client.get("/v1/orders", headers={"authorization": shown.encode("latin-1")})  # type: ignore[dict-item]
    assert answer.status_code == 401
    assert shown[7:] not in answer.text or len(shown) < 9


def test_a_revoked_key_is_refused_by_a_server_that_runs(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "_LOOK_S", 0.0)
    elsewhere = KeyStore(api.keys.path)
    text, key = elsewhere.create("bob", "read")
    with api.client(None) as client:
        client.headers["authorization"] = f"Bearer {text}"
        assert client.get("/v1/limits").status_code == 200
        assert elsewhere.revoke(key.key_id)
        assert client.get("/v1/limits").status_code == 401
        assert not elsewhere.revoke(key.key_id)


def test_a_key_is_revoked_where_the_file_is_a_link_that_is_put_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does a kubelet with a Secret that is mounted as a folder: files are links over a link, which it renames."""
    monkeypatch.setattr(keys_module, "_LOOK_S", 0.0)
    mounted, made = tmp_path / "keys", KeyStore(tmp_path / "made.json")
    text, key = made.create("bob")

    def updated(name: str) -> None:
        (mounted / name).mkdir(parents=True)
        shutil.copy(made.path, mounted / name / "keys.json")
        (mounted / "new").symlink_to(name)
        (mounted / "new").rename(mounted / "..data")

    updated("..1")
    (mounted / "keys.json").symlink_to("..data/keys.json")
    monkeypatch.setenv("QFLIB_API__KEYS_FILE", str(mounted / "keys.json"))
    api, dashboard = keys_module.store_of(tmp_path / "up"), verifier(tmp_path / "up")
    assert api.verify(text) == key
    assert dashboard(text) is not None
    made.revoke(key.key_id)
    updated("..2")
    assert api.verify(text) is None
    assert dashboard(text) is None


def test_secrets_are_compared_in_constant_time_and_kept_as_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, compared = KeyStore(tmp_path / "keys.json"), []
    text, key = store.create("me", "admin")
    assert text.rpartition("_")[2] not in store.path.read_text()
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert len(text.rpartition("_")[2]) == 64
    real = keys_module.hmac.compare_digest

    def watched(a: str, b: str) -> bool:
        compared.append((a, b))
        return real(a, b)

    monkeypatch.setattr(keys_module.hmac, "compare_digest", watched)
    assert store.verify(text) == key
    assert store.verify("qf_unknown_secret") is None
    assert len(compared) == 2  # for an id that there is not as well
    assert compared[0][1] == key.sha256


def test_keys_survive_a_torn_file_and_each_other(tmp_path: Path) -> None:
    one, two = KeyStore(tmp_path / "keys.json"), KeyStore(tmp_path / "keys.json")
    first, second = one.create("a")[0], two.create("b")[0]
    one._looked = 0.0
    assert one.verify(second) is not None  # though the other made it
    assert {k.name for k in one.listed()} == {"a", "b"}
    one.path.write_text("{")
    os.utime(one.path, ns=(1, 1))
    one._looked = 0.0
    assert one.verify(first) is not None  # who is in stays in
    with pytest.raises(DataError, match="not readable as keys"):
        one.listed()
    with pytest.raises(InputError, match="printable"):
        two.create("a\n")
    one.path.unlink()
    with pytest.raises(InputError, match="there is no key"):
        one.revoke("nobody")


def test_a_file_that_could_not_be_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reading failed and its change is over: nothing but another look would see it."""
    monkeypatch.setattr(keys_module, "_LOOK_S", 0.0)
    one, elsewhere = KeyStore(tmp_path / "keys.json"), KeyStore(tmp_path / "keys.json")
    first, key = one.create("a")
    elsewhere.revoke(key.key_id)
    with monkeypatch.context() as patch:

        def failing(path: Path) -> None:
            raise DataError("not now")

        patch.setattr(keys_module, "_read", failing)
        assert one.verify(first) is not None  # who is in stays in
    assert one.verify(first) is None


def test_scopes_hold_the_narrower_ones(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys.json")
    assert [store.create("x", s)[1].scopes for s in SCOPES] == [
        ("read",),
        ("read", "trade"),
        ("read", "trade", "admin"),
    ]
    with pytest.raises(InputError, match="unknown"):
        store.create("x", "root")  # type: ignore[arg-type]


def test_development_key_is_made_once_and_again_when_it_is_revoked(tmp_path: Path) -> None:
    first = development_key(tmp_path, "http://127.0.0.1:8000")
    file = tmp_path / "client.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first in file.read_text()
    assert development_key(tmp_path, "http://127.0.0.1:8001") == first
    assert ":8001" in file.read_text()
    store = KeyStore(tmp_path / "keys.json")
    store.revoke(store.listed()[0].key_id)
    assert development_key(tmp_path, "http://127.0.0.1:8001") != first


def test_a_key_that_asks_too_often_is_told_to_wait(tmp_path: Path) -> None:
    api = served(tmp_path, rate=0.5, burst=3)
    with api.client("read") as client:
        answers = [client.get("/v1/limits") for _ in range(5)]
        assert [a.status_code for a in answers] == [200, 200, 200, 429, 429]
        assert answers[-1].json()["code"] == "rate_limited"
        assert int(answers[-1].headers["retry-after"]) == 2
        client.headers.update(api.headers("read"))
        assert client.get("/v1/limits").status_code == 200  # another key is not disturbed


def test_who_guesses_keys_is_told_to_wait_and_disturbs_nobody(tmp_path: Path) -> None:
    api = served(tmp_path, failures=1.0)
    good = api.headers("read")
    with api.client(None) as client:
        codes = [client.get("/v1/limits", headers={"authorization": "Bearer qf_a_b"}).status_code for _ in range(8)]
        assert codes[:4] == [401] * 4
        assert set(codes[5:]) == {429}
        assert client.get("/v1/limits", headers=good).status_code == 200  # from the same address
    assert len(api.state.failures) == 1


def test_buckets_are_bounded_in_number() -> None:
    rates = Rates(1.0, 1, kept=100)
    for k in range(10_000):
        rates.take(f"10.0.{k}")
    assert len(rates) == 100


@get("/v1/fails", opt={"scope": "read"})
async def fails() -> None:
    raise RuntimeError("the secret /home/inside path")


@get("/v1/nobody-declared-a-scope")
async def undeclared() -> dict[str, int]:
    return {}


def test_no_reply_holds_anything_of_the_inside(tmp_path: Path, capfd: Any) -> None:
    api = served(tmp_path, more=[fails])
    with api.client() as client:
        answer = client.get("/v1/fails", headers={"x-request-id": "mine-7"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:qflib:problem:internal", "title": "Internal", "status": 500, "code": "internal",
        "detail": "something went wrong inside; tell the request id to whoever runs this desk",
        "instance": "urn:qflib:request:mine-7",
    }  # fmt: skip
    assert answer.headers["x-request-id"] == "mine-7"
    for word in ("secret", "Traceback", "RuntimeError", "/home"):
        assert word not in answer.text


def test_metrics_count_and_need_a_key(api: Served) -> None:
    with api.client("read") as client:
        client.get("/v1/limits")
        client.get("/v1/books/nope")
        text = client.get("/metrics").text
    assert 'qflib_api_requests_total{route="GET /v1/limits",status="200"} 1.0' in text
    assert 'route="GET /v1/books/{instrument}",status="404"' in text


def test_readiness_tells_why(tmp_path: Path) -> None:
    up = [True]
    api = served(tmp_path, up=up)
    with api.client(None) as client:
        assert client.get("/readyz").json()["ready"] is True
        up[0] = False
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["context"]["broker"] is False
        assert client.get("/healthz").json() == {"status": "ok"}
        assert json.loads(client.get("/schema/openapi.json").text)["openapi"].startswith("3.1")
    assert api.state.now_ns() == NOW_NS
