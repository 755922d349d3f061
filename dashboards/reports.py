"""Reports of jobs, behind the door: pages of nobody's origin."""

from __future__ import annotations

from pathlib import Path

from tornado.ioloop import IOLoop
from tornado.web import RequestHandler

from qflib.errors import QflibError
from qflib.jobs.report import HEADERS, report_of

PLACE = "/reports/"


class Report(RequestHandler):
    """``/reports/JOB/RUN_ID``."""

    def initialize(self, kept: Path | None) -> None:
        """Where jobs leave their runs."""
        self.kept = kept

    async def get(self, which: str) -> None:
        """The page."""
        job, _, run_id = which.partition("/")
        try:
            if self.kept is None:
                raise QflibError("this dashboard knows no folder of jobs")  # noqa: TRY301
            page = await IOLoop.current().run_in_executor(None, report_of, self.kept, job, run_id)
        except QflibError as e:
            self.set_status(404)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(f"{e}\n")
            return
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(page)
