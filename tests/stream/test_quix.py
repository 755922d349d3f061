"""What is changed of Quix Streams' application, held against the version that is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from qflib.stream.quix import Application


def test_no_folder_is_made_where_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The root of a container is read-only, and its working directory is the image's."""
    monkeypatch.chdir(tmp_path)
    told = Application(broker_address="127.0.0.1:1", consumer_group="group", broker_availability_timeout=0)
    with told._state_manager:  # as its run does
        assert list(tmp_path.iterdir()) == []
