"""Peers of the option benches: what they print stays off stdout, and what is missing or fails is told."""

import json
from pathlib import Path

import numpy as np
import pytest

from qflib.cli import bench
from qflib.cli.benches import implied_vol, pricing, surface
from qflib.cli.benches.options import beside, exact_greeks, options
from qflib.pricing import greeks


def test_a_peer_that_greets_is_absent_or_fails_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "greeting_peer.py").write_text(
        "print('welcome')\n\ndef price():\n    print('again')\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = beside(
        {
            "greets": ("greeting_peer", lambda library: library.price, 10),
            "absent": ("no_such_peer.inner", lambda library: library.price, 1),
            "fails": ("greeting_peer", lambda library: lambda: {}["price"], 1),
        }
    )
    out, err = capsys.readouterr()
    assert out == ""
    assert set(found) == {"greets"}
    assert found["greets"] > 0.0
    assert "welcome" in err
    assert "peer absent is left out (No module named 'no_such_peer'): pip install no_such_peer" in err
    assert "peer fails fails: KeyError" in err


def test_exact_greeks_are_the_closed_forms() -> None:
    o = options(6)
    exact = exact_greeks(o)
    got = greeks(
        o.sign.astype(int), o.strike, o.years, o.vol, spot=o.spot, rate=o.rate, dividend_yield=o.dividend_yield
    )
    assert len(exact) == 16
    for name, column in exact.items():
        assert np.allclose(got[name], column, rtol=1e-9, atol=1e-9 * np.abs(column).max()), name


def test_rows_of_a_small_run_name_peers_and_where_results_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """QuantLib and SciPy are installed here; others may be."""
    monkeypatch.setattr(bench, "RUNS", 1)
    for module in (pricing, implied_vol):
        monkeypatch.setattr(module, "_N", 5_000)
        monkeypatch.setattr(module, "_EXACT", 20)
    monkeypatch.setattr(pricing, "_DIFFERENTIATED", 4)
    rows = {r.row: r for module in (pricing, implied_vol, surface) for r in module.rows(True)}
    assert {"numpy + scipy ndtr", "QuantLib"} <= set(rows["price"].peers)
    assert "QuantLib (6 Greeks)" in rows["price_greeks16"].peers
    assert {"QuantLib", "SciPy brentq"} <= set(rows["checked"].peers)
    assert {"QuantLib SVI", "SciPy least squares SVI"} == set(rows["ten_expiries"].peers)
    assert all(p > 0.0 for r in rows.values() for p in r.peers.values())
    assert rows["greeks16_max_error"].value < 1e-12
    assert all(rows[name].note for name in ("price", "price_greeks16_tiled", "price_greeks16", "checked", "fallback"))
    json.dumps([r._asdict() | {"peers": dict(r.peers)} for r in rows.values()])
