"""`qflib record`: a live venue's bytes into a file that `replay` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qflib.cli.output import emit

EXAMPLE = "Example: qflib record kraken XBT/USD ETH/USD --out kraken.ws.gz --for 60s"


def command(
    venue: Annotated[str, typer.Argument(help="The venue: kraken, binance, binance_futures, coinbase, deribit.")],
    symbols: Annotated[list[str], typer.Argument(help="The venue's own symbols.")],
    out: Annotated[Path, typer.Option(help="The file to write; a name in .gz is compressed.")],
    duration: Annotated[str, typer.Option("--for", help="Wall time, as 60s or 10min.")] = "60s",
    frames: Annotated[int | None, typer.Option(help="End earlier, with so many frames.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Capture a live venue's frames as they come, until the time is over or Ctrl-C; what came is kept."""
    from qflib.cli.durations import seconds
    from qflib.venues.live import record

    captured = record(venue, symbols, out, seconds(duration), frames=frames)
    if json:
        told = {"frames": captured.frames, "connections": captured.connections, "damaged": captured.damaged}
        emit({"venue": venue, "file": captured.path, **told})
    else:
        why = "a gap, a wrong checksum or unreadable bytes"
        damaged = f", {captured.damaged} of them ended by {why}" if captured.damaged else ""
        print(f"{captured.frames:,} frames over {captured.connections} connections{damaged} to {captured.path}")
