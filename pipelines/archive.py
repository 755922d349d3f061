"""Archive: every topic into the history."""

from qflib.stream.archive import run
from qflib.stream.process import main

if __name__ == "__main__":
    main("archive", run)
