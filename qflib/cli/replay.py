"""`qflib replay`: a recording through its venue's decoder into books, and what was seen on the way."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from qflib.cli.output import emit, table

_TOLD = 5  # misfits of a reason
EXAMPLE = "Example: qflib replay kraken.ws.gz --venue kraken --json"


def command(
    file: Annotated[Path, typer.Argument(help="The recording.")],
    venue: Annotated[
        str,
        typer.Option(
            help="Whose format it is: kraken, binance, binance_futures, coinbase, bitstamp, deribit, coinbase_full, "
            "databento, itch, lobster, jacobi, tardis, file, signals."
        ),
    ],
    instrument_file: Annotated[Path | None, typer.Option(help="Instrument table (TOML), or the venue's own.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Replay a recording: events, checksums, unknown ids, gaps, final top of each book, digest."""
    from qflib.desk.replay import replay

    result = replay(file, venue, instrument_file, progress=not json and sys.stderr.isatty())
    if json:
        emit(result)
        return
    tops = [
        (symbol, b["bid_qty"], b["bid"], b["ask"], b["ask_qty"], b["levels"], b["orders"])
        for symbol, b in result["instruments"].items()
    ]
    table(f"{file.name}, {venue}", ("instrument", "bid qty", "bid", "ask", "ask qty", "levels", "orders"), tops)
    rate = result["events"] / result["seconds"] if result["seconds"] else 0.0
    print(
        f"{result['events']:,} events in {result['seconds']:.2f} s ({rate:,.0f} a second); checksums "
        f"{result['checksums']['right']:,} right, {result['checksums']['wrong']:,} wrong; unknown ids "
        f"{result['unknown_ids']:,}, gaps {result['gaps']:,}, crossed {result['crossed']:,}, locked "
        f"{result['locked']:,}, overdrawn {result['overdrawn']:,}, dead letters {result['dead_letters']:,}\n"
        f"digest {result['digest']}"
    )
    if result["misfits"]:
        for reason in dict.fromkeys(m["reason"] for m in result["misfits"]):
            events = [f"{m['event']:,}" for m in result["misfits"] if m["reason"] == reason]
            more = ", … (--json tells more)" if len(events) > _TOLD else ""
            print(f"{reason}: event {', '.join(events[:_TOLD])}{more}")
