"""What every test may use: the recordings, and how hypothesis runs."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile(
    "ci", deadline=None, derandomize=True, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of recordings: the setting QFLIB_TEST_DATA, else ../shared/data beside the project."""
    root = Path(__file__).parents[1]
    place = root / os.environ.get("QFLIB_TEST_DATA", "../shared/data")
    if not place.is_dir():
        reason = f"{place} has no recordings; set QFLIB_TEST_DATA to the folder that has them"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return place
