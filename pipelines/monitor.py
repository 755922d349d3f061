"""Monitor: lag, latency, the market's quality and the risk of a desk whose stages run elsewhere, for Prometheus."""

from qflib.stream.monitor.run import run
from qflib.stream.process import main

if __name__ == "__main__":
    main("monitor", run)
