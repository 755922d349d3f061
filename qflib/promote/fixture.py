"""The stream a step is tried on: records as a desk's stages write them, kept in one file."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from qflib.errors import DataError
from qflib.records import Batch, Instruments
from qflib.records.codec import decode, encode

_HEAD = struct.Struct("<HHQ")


@dataclass(frozen=True)
class Fixture:
    """Records in the order in which a stage takes them in.

    Parameters
    ----------
    told
        What it is, as "sim seed=7 20s".
    instruments
        The table its rows refer to.
    batches
        The records, addressed.
    """

    told: str
    instruments: Instruments
    batches: tuple[Batch, ...]

    def save(self, folder: Path) -> None:
        """Write it down, for another process to read."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "instruments.toml").write_text(self.instruments.to_toml(), encoding="utf-8")
        with (folder / "records.bin").open("wb") as f:
            for b in self.batches:
                value, topic, key = encode(b), b.topic.encode(), b.key.encode()
                f.write(_HEAD.pack(len(topic), len(key), len(value)) + topic + key + value)

    @classmethod
    def load(cls, folder: Path, told: str = "") -> Fixture:
        """What `save` wrote.

        Raises
        ------
        DataError
            If it is torn.
        """
        made, data, at = [], (folder / "records.bin").read_bytes(), 0
        while at < len(data):
            if at + _HEAD.size > len(data):
                raise DataError(f"{folder} holds a torn fixture; write it again")
            topic, key, value = _HEAD.unpack_from(data, at)
            at += _HEAD.size
            end = at + topic + key + value
            if end > len(data):
                raise DataError(f"{folder} holds a torn fixture; write it again")
            names = data[at : at + topic].decode(), data[at + topic : at + topic + key].decode()
            made.append(decode(data[at + topic + key : end]).to(*names))
            at = end
        return cls(told, Instruments.from_toml(folder / "instruments.toml"), tuple(made))
