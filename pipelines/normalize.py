"""normalize: the venues' bytes in; records an underlying, and clocks to every partition, out."""

from functools import partial

from qflib.desk.deployment import Deployment
from qflib.stream.process import Arguments, main
from qflib.stream.stages import STAGES
from qflib.stream.worker import run


def work(told: Arguments) -> None:
    """Run a worker until it is told to stop."""
    desk = Deployment.load(told.deployment)
    run(STAGES["normalize"], partial(desk.step, "normalize"), desk.table, desk.digest, told)


if __name__ == "__main__":
    main("normalize", work)
