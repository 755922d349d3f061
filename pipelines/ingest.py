"""Ingest: the desk's market data into market.data.raw."""

from qflib.stream.ingest.run import run
from qflib.stream.process import main

if __name__ == "__main__":
    main("ingest", run)
