"""The command: JSON on stdout, one sentence and exit 2 for what is wrong, an example in every help."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from qflib.cli import bench, doctor, positions
from qflib.cli.durations import nanoseconds
from qflib.cli.main import app
from qflib.cli.verify import verify
from qflib.cli.view import Snapshot, headline, render
from qflib.errors import DataError, InputError, QflibError
from qflib.records import Instrument, Instruments
from qflib.venues.table import VENUES

COMMANDS = [[n] for n in ("desk", "up", "replay", "verify", "bench", "record", "audit", "doctor", "api")]
COMMANDS += [["positions", name] for name in ("load", "show", "clear")]
COMMANDS += [["keys", name] for name in ("create", "list", "revoke")]
COMMANDS += [["store", name] for name in ("migrate", "roles", "tend")]
COMMANDS += [["broker", name] for name in ("start", "stop", "status", "prepare", "rights", "keep", "clear-journal")]


def qflib(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    code = "from qflib.cli.main import run; run()"
    return subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, cwd=cwd, check=False)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example(command: list[str]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"])
    assert shown.exit_code == 0
    assert f"Example: qflib {' '.join(command)}" in " ".join(shown.output.split())


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("replay", "no-such-file.gz", "--venue", "kraken"), "no-such-file.gz"),
        (
            ("replay", __file__, "--venue", "no-such"),
            "'no-such' is unknown; expected one of kraken, binance, binance_futures, coinbase, bitstamp, deribit",
        ),
        (
            ("record", "no-such", "A", "--out", "x.gz"),
            "'no-such' is unknown; expected one of kraken, binance, binance_futures, coinbase, deribit\n",
        ),
        (("record", "kraken", "XBT/USD", "--out", "/nonexistent/x.gz"), "/nonexistent/x.gz cannot be written"),
        (("verify", "no-such.json"), "no-such.json"),
        (("bench", "no-such"), "no-such"),
        (("bench", "--events", "9", "store"), "--events 9 is of no use to bench 'store'; name only partitions"),
        (("bench", "--events", "9", "partitions"), "--events 9 is too few to time; expected 10,000 or more"),
        (("desk", "--for", "soon"), "soon"),
        (("desk", "--source", "file.gz"), "'file.gz' does not exist"),
        (("desk", "--source", "file.gz", "--venue", "kraken"), "'file.gz' does not exist"),
        (("desk", "--source", __file__), "--venue is missing"),
        (("desk", "--source", __file__, "--venue", "file", "--seed", "1"), "--seed is the simulator's"),
        (("desk", "--source", __file__, "--venue", "file", "--rate", "9"), "--rate is the simulator's"),
        (("desk", "--venue", "kraken"), "--venue 'kraken' is the format of a recording"),
        (("desk", "--rate", "nan"), "desk.rate"),
        (("positions", "load", "no-such.csv"), "no-such.csv"),
        (("--log-level", "loud", "doctor"), "loud"),
    ],
)
def test_what_is_wrong_is_one_sentence(args: tuple[str, ...], said: str, tmp_path: Path) -> None:
    got = qflib(*args, cwd=tmp_path)
    assert got.returncode == 2
    assert got.stdout == ""
    assert said in got.stderr
    assert got.stderr.startswith("qflib: ")
    assert got.stderr.count("\n") == 1


def _recording(seconds: int) -> Path:
    """A level a second."""
    file = Path("levels.csv")
    rows = [f"2026-01-05T14:30:{k:02}Z,ACME,level,bid,99.{k:02},5" for k in range(seconds)]
    file.write_text("\n".join(["receipt,symbol,kind,side,price,qty", *rows, ""]))
    return file


def test_a_recording_is_run_for_the_time_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["desk", "--source", str(_recording(20)), "--venue", "file", "--json"]
    whole = json.loads(CliRunner().invoke(app, asked).stdout)
    part = json.loads(CliRunner().invoke(app, [*asked, "--for", "5s"]).stdout)
    assert (whole["events"], whole["market_seconds"]) == (20, 19)
    assert 5 <= part["events"] <= 6
    assert 5 <= part["market_seconds"] <= 5.25


@pytest.mark.parametrize(
    ("command", "can"),
    [
        ("replay", [v.name for v in VENUES.values() if v.reads]),
        ("record", [v.name for v in VENUES.values() if hasattr(importlib.import_module(v.module), "LIVE")]),
    ],
)
def test_help_names_the_venues_that_there_are(command: str, can: list[str]) -> None:
    shown = " ".join(CliRunner().invoke(app, [command, "--help"]).output.split())
    assert re.search(rf"(it is|The venue): {', '.join(can)}\.", shown)


def test_an_unknown_command_is_wrong_use() -> None:
    got = qflib("nonsense")
    assert got.returncode == 2
    assert "nonsense" in got.stderr
    assert "Traceback" not in got.stderr


def test_doctor_names_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QFLIB_DESK__RATE", "fast")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/proc/none")
    found = {f.part: f for f in doctor.look()}
    assert found["Python"].ok
    assert not found["settings"].ok
    assert not found["kernel cache"].ok
    assert "QFLIB_KERNEL_CACHE" in found["kernel cache"].mend
    shown = CliRunner().invoke(app, ["doctor", "--json"], env={"QFLIB_DESK__RATE": "1"})
    assert shown.exit_code == 1
    assert not json.loads(shown.stdout)["ok"]


def test_bench_rows_have_the_shape_that_is_checked() -> None:
    shown = CliRunner().invoke(app, ["bench", "codec", "--json"])
    document = json.loads(shown.stdout)
    assert document["machine"]["runs"] >= 5
    for row in document["rows"]:
        assert set(row) == {"bench", "row", "value", "min", "unit", "over_reference", "peers", "note"}
        assert 0 < row["min"] <= row["value"]
        assert row["over_reference"] > 0


def test_every_bench_has_its_rows() -> None:
    for module in bench.BENCHES.values():
        assert callable(importlib.import_module(module).rows)


def _positions(text: str) -> Path:
    file = Path("p.csv")
    file.write_text(text)
    return file


def test_positions_are_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = _positions("instrument,qty,avg_price,note\nACME.F,-3,100.5,x\n")
    assert positions.loaded() is None
    told = [json.loads(CliRunner().invoke(app, ["positions", "load", str(file), "--json"]).stdout) for _ in range(2)]
    assert [t["changed"] for t in told] == [True, False]
    assert told[0]["id"] == told[1]["id"]
    frame = positions.loaded()
    assert frame is not None
    assert frame.to_numpy().tolist() == [["ACME.F", -3.0, 100.5]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("instrument,qty\nA,1\n", "no column 'avg_price'"),
        ("instrument,qty,avg_price\nA,1,2\nB,x,2\n", "row 3: qty is 'x'"),
        ("instrument,qty,avg_price\nA,1,inf\n", "row 2: avg_price"),
        ("instrument,qty,avg_price\nA,1,2\nA,2,2\n", "'A' twice"),
        ("", "not readable CSV"),
        ("instrument,qty,avg_price\n", "has no rows"),
        ("instrument,qty,avg_price\n,1,2\n", "row 2: instrument is missing"),
        ("instrument,qty,avg_price\nA,,2\n", "row 2: qty is 'nan'; give a number"),
        ("instrument,qty,avg_price\nA,1,2\nB,0,2\n", "row 3: qty is '0'"),
        ("instrument,qty,avg_price\nA,1,0\n", "row 2: avg_price is '0'; give a positive"),
        ("instrument,qty,avg_price\nA,1,-2.5\n", "row 2: avg_price is '-2.5'; give a positive"),
    ],
)
def test_wrong_positions_are_named(text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=said):
        positions.read(_positions(text))


def test_positions_are_shown_and_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def told(*args: str) -> dict[str, object]:
        return json.loads(CliRunner().invoke(app, ["positions", *args, "--json"]).stdout)  # type: ignore[no-any-return]

    assert told("show") == {"positions": [], "file": None}
    told("load", str(_positions("instrument,qty,avg_price\nACME.F,-3,100.5\n")))
    assert told("show")["positions"] == [{"instrument": "ACME.F", "qty": -3.0, "avg_price": 100.5}]
    assert "ACME.F" in CliRunner().invoke(app, ["positions", "show"]).stdout
    assert [told("clear")["changed"] for _ in range(2)] == [True, False]
    assert positions.loaded() is None


def test_positions_are_held_against_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.toml").write_text(Instruments((Instrument("BTC", lot="0.5"),)).to_toml())
    for qty, said in (("-1.5", None), ("1.2", "qty 1.2 of 'BTC' is not a multiple of its lot 0.5")):
        file = _positions(f"instrument,qty,avg_price\nBTC,{qty},9\n")
        got = CliRunner().invoke(app, ["positions", "load", str(file), "--instrument-file", "t.toml"])
        assert got.exit_code == (said is not None)
        assert said is None or said in str(got.exception)
    got = CliRunner().invoke(app, ["positions", "load", str(_positions(LOADED)), "--instrument-file", "t.toml"])
    assert "'ACME.F', which t.toml does not have" in str(got.exception)


LOADED = "instrument,qty,avg_price\nACME.F,-3,100.5\n"


@pytest.mark.parametrize(
    ("text", "source", "said"),
    [
        (LOADED, "levels.csv", "names 'ACME.F', which the feed does not have"),
        (LOADED.replace("ACME.F,-3", "ACME,-5"), "levels.csv", "the feed has no history"),
        (LOADED.replace("ACME.F", "XYZ"), "sim", "names 'XYZ', which the feed does not have"),
        (LOADED.replace("-3", "0.5"), "sim", "qty 0.5 of 'ACME.F' is not a multiple of its lot 1"),
    ],
)
def test_a_desk_names_the_positions_it_cannot_start_with(
    text: str, source: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _recording(3)
    CliRunner().invoke(app, ["positions", "load", str(_positions(text))])
    venue = [] if source == "sim" else ["--venue", "file"]
    got = CliRunner().invoke(app, ["desk", "--source", source, *venue, "--for", "1s", "--json"])
    assert isinstance(got.exception, QflibError)
    assert said in str(got.exception)
    assert str(Path("runs", "positions.csv")) in str(got.exception)
    assert "qflib positions clear" in str(got.exception)


def _vector(**changes: object) -> dict[str, object]:
    black76 = {"type": "call", "F": 3.0, "K": 3.0, "T": 1.0, "sigma": 2.0, "df": 1.0}
    return {"name": "v", "group": "black76", "inputs": black76, "expected": 2.0480684764,
            "tolerance": 1e-9, "tol_type": "rel"} | changes  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "passed"),
        ({"expected": 2.1}, "failed"),
        ({"tol_type": "ulp"}, "failed"),
        ({"expected": None, "tolerance": None}, "computed"),
        ({"tolerance": None}, "not_covered"),
        ({"group": "weather"}, "not_covered"),
    ],
)
def test_a_vector_is_passed_by_its_tolerance_alone(changes: dict[str, object], status: str, tmp_path: Path) -> None:
    file = tmp_path / "v.json"
    file.write_text(json.dumps({"vectors": [_vector(**changes)]}))
    report = verify(file)
    assert report["results"][0]["status"] == status
    assert report[status] == report["total"] == 1
    assert report["not_built"] == (["weather"] if "group" in changes else [])
    assert CliRunner().invoke(app, ["verify", str(file)]).exit_code == (status == "failed")


def test_a_file_without_vectors_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "v.json"
    for text in ("[]", "{}", '{"vectors": [1]}', "torn"):
        file.write_text(text)
        with pytest.raises(DataError, match=r"v\.json"):
            verify(file)


@pytest.mark.parametrize("text", ["", "10", "-1s", "0s", "1 fortnight", "nan s"])
def test_wrong_durations_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="number with a unit"):
        nanoseconds(text)


def test_the_view_shows_what_it_is_given_and_no_more() -> None:
    now: Snapshot = {
        "market_time": "2026-01-05 14:30:10.100", "events": 100_000, "events_per_s": 5e5,
        "tops": [{"instrument": "ACME.F", "bid": 100.01, "bid_qty": 5.0, "ask": 100.02, "ask_qty": 7.0, "last": None}],
        "positions": [{"instrument": "ACME-20260320-100-C", "book": "client", "qty": -50.0, "avg_price": 4.2,
                       "mark": 4.3, "unrealised": -500.0}],
        "greeks": [{"underlying": "ACME", "delta": -1234.5, "gamma": -3.0, "vega": -900.0, "theta": 12.0}],
        "es": {"level": 0.975, "horizon": "1D", "unhedged": 50_000.0, "current": 20_000.0, "target": 19_000.0},
        "hedge": {"orders": 3, "fills": 2, "rejects": 1, "cost": 12.5},
        "trades": [{"time": "14:30:09.900", "instrument": "ACME.F", "qty": 4.0, "price": 100.02, "fee": 0.0}],
    }  # fmt: skip
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    for snapshot in ({}, now):
        console.print(render(snapshot))  # type: ignore[arg-type]
    console.file.close()
    text = console.export_text()
    for said in ("ACME.F", "100.01", "ACME-20260320-100-C", "-1,234.50", "97.5%", "20,000", "14:30:09.900", "starting"):
        assert said in text
    assert headline(now).endswith("hedges: 3 orders, 2 fills, 1 rejects, cost 12.50")
