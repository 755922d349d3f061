"""`qflib positions load` on a desk that runs, on real Kafka."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from qflib.broker.reading import ends
from qflib.cli import positions
from qflib.cli.main import app
from qflib.desk.deployment import Deployment
from qflib.desk.opening import bookings
from qflib.errors import DataError, InputError
from qflib.records import Instrument, Instruments
from qflib.records.topics import ORDERS_INCOMING
from qflib.stream.folder import DeskFolder
from qflib.stream.opening import booking_ids

N = 4
TABLE = Instruments(tuple(Instrument(f"ACME.{m}", underlying="ACME", source="sim:ACME") for m in "FG"))
DESK = Deployment(TABLE, risk=True, partitions=N)
OPENED = "ACME.F,10,99\n"


@pytest.fixture
def desk(kafka, tmp_path, monkeypatch):
    """The folder of a desk that runs, before it has opened."""
    monkeypatch.chdir(tmp_path)
    folder = DeskFolder(tmp_path / "runs" / "up")
    folder.hold()
    folder.keep(DESK)
    folder.tell({"bootstrap": kafka.bootstrap})
    yield folder
    folder.release()


def ids(*rows):
    frame = pd.DataFrame(rows, columns=["instrument", "qty", "avg_price"])
    return booking_ids(bookings(DESK.instruments, DESK.portfolio, frame))


def load(tmp_path, rows):
    file = tmp_path / "positions.csv"
    file.write_text(f"instrument,qty,avg_price\n{rows}")
    return CliRunner().invoke(app, ["positions", "load", str(file), "--json"])


def written(kafka):
    return sum(ends(kafka, [(ORDERS_INCOMING, p) for p in range(N)], committed=False).values())


@pytest.mark.parametrize("rows", ["ACME.F,20,99\n", "ACME.F,10,98\n"])
def test_a_changed_row_is_refused_and_nothing_is_booked(kafka, desk, tmp_path, rows):
    desk.book(ids(("ACME.F", 10.0, 99.0)))
    before, booked = written(kafka), desk.booked
    got = load(tmp_path, rows)
    assert isinstance(got.exception, DataError)
    assert "opening positions differ from those booked" in str(got.exception)
    assert (written(kafka), desk.booked) == (before, booked)
    assert positions.loaded() is None  # the next start must not find them


def test_before_the_desk_has_opened_they_are_refused(kafka, desk, tmp_path):
    before = written(kafka)
    got = load(tmp_path, OPENED)
    assert isinstance(got.exception, InputError)
    assert "has not booked its own opening positions yet" in str(got.exception)
    assert (written(kafka), desk.booked, positions.loaded()) == (before, set(), None)


def test_further_rows_are_booked_once(kafka, desk, tmp_path):
    desk.book(ids(("ACME.F", 10.0, 99.0)))
    before, both = written(kafka), OPENED + "ACME.G,-3,98\n"
    assert json.loads(load(tmp_path, OPENED).stdout)["booked"] == 0
    assert written(kafka) == before
    assert json.loads(load(tmp_path, both).stdout)["booked"] == 1
    assert written(kafka) > before
    assert json.loads(load(tmp_path, both).stdout)["booked"] == 0
    assert desk.booked == ids(("ACME.F", 10.0, 99.0), ("ACME.G", -3.0, 98.0))
