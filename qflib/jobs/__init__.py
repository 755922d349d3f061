"""Jobs: a notebook and a TOML file, run by papermill for a date, once a key, with its record and its page."""

from qflib.lazy import lazy

_NAMES = {
    "Job": "definition",
    "JobRun": "runner",
    "Parameter": "parameters",
    "PastRun": "history",
    "Scheduler": "schedule",
    "job_names": "definition",
    "load_job": "definition",
    "run_job": "runner",
    "runs": "history",
}
__all__ = ["Job", "JobRun", "Parameter", "PastRun", "Scheduler", "job_names", "load_job", "run_job", "runs"]
__getattr__, __dir__ = lazy(__name__, _NAMES)
