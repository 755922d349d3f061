"""`qflib positions load|show|clear`: opening positions, checked and kept for the desk's next start."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qflib.cli.output import emit, table
from qflib.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from qflib.records import Instruments

EXAMPLE = "Example: qflib positions load positions.csv"
EXAMPLE_SHOW = "Example: qflib positions show --json"
EXAMPLE_CLEAR = "Example: qflib positions clear"

_COLUMNS = ("instrument", "qty", "avg_price")

app = typer.Typer(help="Opening positions.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Opening positions."""


@app.command("load", epilog=EXAMPLE)
def command(
    file: Annotated[Path, typer.Argument(help="CSV with the columns instrument, qty, avg_price.")],
    instrument_file: Annotated[Path | None, typer.Option(help="Instrument table (TOML) to check symbols by.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Take opening positions; the desk starts with them, and one that runs books them.

    Loading the same file again changes nothing. A desk that runs takes further rows, and refuses changed ones.
    """
    frame = read(file)
    if instrument_file is not None:
        from qflib.records import Instruments

        check(file, frame, Instruments.from_toml(instrument_file), str(instrument_file), "mend the one or the other")
    text = frame.to_csv(index=False)
    place = positions_file()
    booked = _book(file, frame)  # first: a desk that cannot take them must not find them at its next start
    former = place.read_text(encoding="utf-8") if place.is_file() else None
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")
    booking = hashlib.sha256(text.encode()).hexdigest()[:32]
    if json:
        emit({"positions": len(frame), "id": booking, "changed": text != former, "file": place, "booked": booked})
    else:
        print(f"{len(frame)} positions {'are in force' if text != former else 'were in force already'} (id {booking})")
        if booked is not None:
            print(f"the running desk books {booked} of them" if booked else "the running desk had booked them already")


@app.command("show", epilog=EXAMPLE_SHOW)
def show(json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False) -> None:
    """Show the positions that the desk starts with."""
    frame, place = loaded(), positions_file()
    rows = [] if frame is None else frame.to_dict("records")
    if json:
        emit({"positions": rows, "file": place if frame is not None else None})
    elif frame is None:
        print("no positions are loaded: the desk starts with the feed's own")
    else:
        table(str(place), ("instrument", "qty", "average price"), [tuple(r.values()) for r in rows])


@app.command("clear", epilog=EXAMPLE_CLEAR)
def clear(json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False) -> None:
    """Forget the loaded positions; the desk then starts with the feed's own."""
    place = positions_file()
    there = place.is_file()
    place.unlink(missing_ok=True)
    if json:
        emit({"changed": there, "file": place})
    else:
        print(f"{place} is removed" if there else "no positions were loaded")


def _book(file: Path, frame: pd.DataFrame) -> int | None:
    """Book positions on the desk that runs; how many it had not booked before, None where none runs.

    Raises
    ------
    InputError
        If the desk that runs measures no risk, or has not opened.
    DataError
        If rows that it has booked were changed.
    """
    from qflib import settings
    from qflib.stream.folder import DeskFolder

    chosen = settings.load()
    folder = DeskFolder(chosen.state / "up")
    told = folder.running()
    if told is None or "bootstrap" not in told:
        return None
    from qflib.broker.clients import Connection
    from qflib.broker.publishing import publish
    from qflib.desk.opening import bookings
    from qflib.errors import InputError
    from qflib.stream.opening import booking_ids

    desk = folder.kept()
    if desk is None or not desk.risk:
        raise InputError(
            f"the desk that runs in {folder.path} measures no risk: its source has no history to value positions by; "
            "stop it first, then load them"
        )
    check(file, frame, desk.instruments, "the running desk", "mend the file")
    batches = list(bookings(desk.instruments, desk.portfolio, frame))
    ids = booking_ids(batches)
    booked = folder.booked
    if not booked:  # what it opens with was read at its start: it would book both
        raise InputError(
            f"the desk that runs in {folder.path} has not booked its own opening positions yet, and these would add up "
            "with them; load them once it has opened, or stop it first"
        )
    folder.check_bookings(ids)
    new = ids - booked
    if new:
        publish(Connection.at(told["bootstrap"], chosen.broker), batches, desk.table)
        folder.book(ids)
    return len(new)


def read(file: Path) -> pd.DataFrame:
    """Positions of a CSV file.

    Raises
    ------
    DataError
        If the file is missing, a column is, it has no rows, a quantity is 0 or a price not positive; the row is
        named.
    """
    import numpy as np
    import pandas as pd

    try:
        frame = pd.read_csv(file, dtype={"instrument": str})
    except FileNotFoundError:
        raise DataError(f"position file {file} does not exist; give a CSV with {', '.join(_COLUMNS)}") from None
    except (OSError, ValueError) as e:
        raise DataError(f"position file {file} is not readable CSV: {e}") from None
    if missing := [c for c in _COLUMNS if c not in frame]:
        raise DataError(f"position file {file} has no column {missing[0]!r}; it needs {', '.join(_COLUMNS)}")
    if frame.empty:
        raise DataError(f"position file {file} has no rows; give one position at least, or `qflib positions clear`")
    frame = frame[list(_COLUMNS)]
    if (none := np.flatnonzero(frame["instrument"].isna())).size:
        raise DataError(f"position file {file}, row {none[0] + 2}: instrument is missing; give its symbol")
    for name in ("qty", "avg_price"):
        numbers = pd.to_numeric(frame[name], errors="coerce").to_numpy(float)
        _numbered(file, frame, name, ~np.isfinite(numbers), "a number")
        if name == "qty":
            _numbered(file, frame, name, numbers == 0, "a number other than 0, or leave the row out")
        else:
            _numbered(file, frame, name, numbers <= 0, "a positive price in quote currency")
        frame = frame.assign(**{name: numbers})
    if (twice := frame["instrument"].duplicated()).any():
        raise DataError(
            f"position file {file} names {frame['instrument'][twice].iloc[0]!r} twice; give one row an instrument"
        )
    return frame


def loaded() -> pd.DataFrame | None:
    """The positions in force; None where none were loaded."""
    place = positions_file()
    return read(place) if place.is_file() else None


def check(file: Path, frame: pd.DataFrame, instruments: Instruments, where: str, mend: str) -> None:
    """Hold positions against the table they are to be valued by.

    Raises
    ------
    DataError
        If an instrument is not in it, or a quantity is no multiple of the lot; `where` names the table.
    """
    from qflib.errors import InputError

    for symbol, qty in zip(frame["instrument"], frame["qty"], strict=True):
        if symbol not in instruments:
            raise DataError(f"position file {file} names {symbol!r}, which {where} does not have; {mend}")
        try:
            instruments.to_lots(instruments.id(symbol), qty)
        except InputError:
            lot = instruments[symbol].lot
            raise DataError(
                f"position file {file}: qty {qty:g} of {symbol!r} is not a multiple of its lot {lot}; {mend}"
            ) from None


def positions_file() -> Path:
    """Where loaded positions are kept."""
    from qflib import settings

    return settings.load().state / "positions.csv"


def _numbered(file: Path, frame: pd.DataFrame, name: str, wrong: NDArray[np.bool_], expected: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        told = frame[name].iloc[row]
        raise DataError(f"position file {file}, row {row + 2}: {name} is {str(told)!r}; give {expected}")
