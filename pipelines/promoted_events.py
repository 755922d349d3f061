"""promoted_events: as promoted, of the steps that take every event of the market."""

from functools import partial

from qflib.desk.deployment import Deployment
from qflib.stream.process import Arguments, main
from qflib.stream.stages import STAGES
from qflib.stream.worker import run


def work(told: Arguments) -> None:
    """Run a worker until it is told to stop."""
    desk = Deployment.load(told.deployment)
    run(
        STAGES["promoted_events"],
        partial(desk.step, "promoted_events"),
        desk.table,
        desk.digest_of("promoted_events"),
        told,
    )


if __name__ == "__main__":
    main("promoted_events", work)
