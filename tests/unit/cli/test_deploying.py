"""From flags to a desk."""

from dataclasses import replace
from pathlib import Path

import pytest

import qflib as qf
from qflib import settings
from qflib.cli import deploying
from qflib.cli.deploying import Wanted
from qflib.errors import InputError


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (Wanted("nyse"), "--source 'nyse' is unknown; expected sim, replay or kraken, binance"),
        (Wanted("sim", file=Path("a")), "--file is of --source replay, not of sim"),
        (Wanted("kraken", speed="2"), "--speed is of --source sim or replay, not of kraken"),
        (Wanted("replay", file=Path("a")), "needs --venue"),
        (Wanted("replay", venue="kraken"), "needs --file"),
        (Wanted("sim", speed="fast"), "--speed 'fast' is no pace"),
        (Wanted("sim", speed="0"), "--speed '0' is no pace"),
        (Wanted("kraken", burst="10x30s"), "--burst is of --source sim or replay, not of kraken"),
        (Wanted("sim", burst="10 for 30s"), "--burst '10 for 30s' is none; write 10x30s@60s"),
        (Wanted("sim", burst="0x30s"), "--burst '0x30s' is none"),
        (Wanted("sim", burst="10x30"), "duration '30' is not a positive number with a unit"),
        (Wanted("sim", burst="10x30s", speed="max"), "--burst needs a pace, and --speed is max"),
        (Wanted("sim", rest="https://x"), "--rest is of --source kraken or binance"),
        (Wanted("sim", symbols=("XBT/USD",)), "--symbol is of --source kraken"),
    ],
)
def test_wrong_flags_get_a_sentence(wanted, sentence):
    with pytest.raises(InputError, match=sentence):
        wanted.check()


def test_the_simulated_desk_measures_and_hedges():
    chosen, wanted = settings.load(desk={"rate": 100_000.0}), Wanted("sim")
    told = deploying.market(wanted, chosen)
    desk = deploying.deployment(wanted, chosen, told, 3)
    assert desk.stages == ("normalize", "exchange", "promoted", "exposures", "portfolio")
    assert desk.hedger is not None
    assert desk.feed["speed"] == 1.0
    assert desk.feed["rate"] == 100_000.0
    assert "burst" not in desk.feed
    assert deploying.deployment(Wanted("sim", burst="2.5x1min@5s"), chosen, told, 3).feed["burst"] == [2.5, 60.0, 5.0]
    assert desk.config.period_ns % desk.feed["cut_ns"] == 0
    assert desk.partitions == 3
    scenarios = deploying.scenario_set(told, chosen)
    assert scenarios is not None
    assert scenarios.set_id == deploying.scenario_set(told, chosen).set_id
    assert deploying.deployment(Wanted("sim", hedge=False), chosen, told, 1).hedger is None
    follows = deploying.deployment(Wanted("sim", strategy=True), chosen, told, 1)
    assert "strategy" in follows.stages
    assert "signals" not in follows.feed


def test_the_simulated_desk_has_a_limit_of_es_unless_one_is_set():
    chosen, wanted = settings.load(), Wanted("sim")
    told = deploying.market(wanted, chosen)

    def limit(kept=None, **limits):
        desk = deploying.deployment(wanted, settings.load(limits=limits), told, 1, kept)
        return desk.config.limits.get("max_es")

    assert limit() == deploying.SIM_ES
    assert limit(es=5e4) == 5e4
    before = deploying.deployment(wanted, settings.load(limits={"es": 7e4}), told, 1)
    assert limit(before) == 7e4, "a desk that goes on has the limit it began with"
    without = replace(before, config=replace(before.config, limits={}))
    assert limit(without) is None


def test_the_limit_lies_above_what_the_desk_opens_with():
    """Unhedged, so that the picture has its line and nothing is breached from the start."""
    feed = qf.datasets.load("sim", seed=7, duration="12s", rate=2_000.0)
    risk = qf.Desk(feed, hedger=qf.hedgers.Band(risk_aversion=1.0)).run().risk
    most = risk.loc[risk["level"] == risk["level"].iloc[0], "es_unhedged"].max()
    assert 1.2 * most < deploying.SIM_ES < 1.7 * most


def test_the_settings_table_tells_a_venues_instruments_unless_a_flag_does(tmp_path):
    file, other = tmp_path / "instruments.toml", tmp_path / "other.toml"
    rows = [qf.Instrument(f"{v}-A", venue=v, source=f"{v}:0", levels=True) for v in ("kraken", "coinbase")]
    file.write_text(qf.Instruments(tuple(rows)).to_toml())
    other.write_text(qf.Instruments((qf.Instrument("B", venue="kraken", source="kraken:0"),)).to_toml())
    chosen = settings.load(instruments=file)
    assert [r.symbol for r in deploying.market(Wanted("kraken"), chosen).instruments.rows] == ["kraken-A"]
    flagged = deploying.market(Wanted("kraken", instrument_file=other), chosen)
    assert [r.symbol for r in flagged.instruments.rows] == ["B"]
    kept = deploying.deployment(Wanted("sim"), chosen, deploying.market(Wanted("sim"), chosen), 1)
    gone_on = deploying.market(Wanted("binance"), chosen, replace(kept, source="binance"))  # the table has none of it
    assert gone_on.instruments == kept.instruments


def test_a_recording_runs_flat_out_without_risk(test_data):
    file = test_data / "crypto/cryptofeed_KRAKEN.ws.50.0.gz"
    wanted = Wanted("replay", file=file, venue="kraken")
    desk = deploying.deployment(wanted, settings.load(), deploying.market(wanted, settings.load()), 1)
    assert desk.stages == ("normalize", "exchange", "promoted")
    assert desk.feed["speed"] == "max"
    assert desk.feed["file"] == str(file.resolve())


def test_partitions_as_set_as_kept_or_as_many_as_workers_ask_for(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(6), raising=False)
    chosen = settings.load()
    kept = deploying.deployment(Wanted("sim"), chosen, deploying.market(Wanted("sim"), chosen), 7)
    assert deploying.partitions(chosen, None, {}) == 3
    assert deploying.partitions(chosen, None, {"exchange": 5, "portfolio": 2}) == 5
    assert deploying.partitions(chosen, kept, {"exchange": 5}) == 7
    assert deploying.partitions(settings.load(broker={"partitions": 2}), kept, {"exchange": 5}) == 2
    assert deploying.partitions(chosen, None, {"exchange": 5_000}) == deploying.MOST_WORKERS
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(64), raising=False)
    assert deploying.partitions(chosen, None, {}) == 4
