"""Fee tiers are of the desk's file; a desk without them has the digest it had before there were any."""

from __future__ import annotations

from pathlib import Path

from qflib.desk import DeskConfig
from qflib.desk.deployment import Deployment
from qflib.records import Instrument, Instruments

TABLE = Instruments((Instrument("ACME.F", underlying="ACME", source="sim:ACME"),))
TIERS = ((100.0, 0.1, 0.5), (1000.0, -0.1, 0.25))


def test_tiers_are_kept(tmp_path: Path) -> None:
    made = Deployment(TABLE, DeskConfig(taker_fee=1.0, fee_tiers=TIERS))
    made.save(tmp_path / "desk.json")
    again = Deployment.load(tmp_path / "desk.json")
    assert again.config == made.config
    assert again.digest == made.digest
    assert again.digest != Deployment(TABLE, DeskConfig(taker_fee=1.0)).digest


def test_a_file_from_before_there_were_tiers_is_read(tmp_path: Path) -> None:
    Deployment(TABLE).save(tmp_path / "desk.json")
    assert "fee_tiers" not in (tmp_path / "desk.json").read_text()
    assert Deployment.load(tmp_path / "desk.json").config == DeskConfig()
