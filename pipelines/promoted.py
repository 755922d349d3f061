"""promoted: marks and executions in; figures and orders of the steps promoted from notebooks out."""

from functools import partial

from qflib.desk.deployment import Deployment
from qflib.stream.process import Arguments, main
from qflib.stream.stages import STAGES
from qflib.stream.worker import run


def work(told: Arguments) -> None:
    """Run a worker until it is told to stop."""
    desk = Deployment.load(told.deployment)
    run(STAGES["promoted"], partial(desk.step, "promoted"), desk.table, desk.digest_of("promoted"), told)


if __name__ == "__main__":
    main("promoted", work)
