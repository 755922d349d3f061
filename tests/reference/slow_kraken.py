"""A Kraken pair as strings in dictionaries, and the messages it would send: the twin of the decoder."""

from __future__ import annotations

import json
import random
import zlib


class SlowPair:
    """Writes a snapshot and updates with right checksums, remembering prices and sizes as text."""

    def __init__(self, pair: str, depth: int, seed: int) -> None:
        self.pair, self.depth, self.rng = pair, depth, random.Random(seed)
        self.sides: dict[str, dict[str, str]] = {"a": {}, "b": {}}
        self.clock = 0

    def snapshot(self) -> bytes:
        for side, first, step in (("a", 10_010, 1), ("b", 10_000, -1)):
            picked = sorted(self.rng.sample(range(0, 40), self.depth))
            self.sides[side] = {f"{(first + step * k) / 1e4:.4f}": self._size() for k in picked}
        told = {f"{s}s": [[p, q, self._time()] for p, q in self._sorted(s)] for s in "ab"}
        return json.dumps([7, told, f"book-{self.depth}", self.pair]).encode()

    def update(self) -> bytes:
        told: dict[str, list[list[str]]] = {}
        for side in self.rng.choice(("a", "b", "ab")):
            rows = []
            for _ in range(self.rng.randint(1, 3)):
                first, step = (10_010, 1) if side == "a" else (10_000, -1)
                price = f"{(first + step * self.rng.randint(0, 40)) / 1e4:.4f}"
                gone = price in self.sides[side] and self.rng.random() < 0.5
                size = "0.00000000" if gone else self._size()
                self.sides[side].pop(price, None)
                if not gone:
                    self.sides[side][price] = size
                rows.append([price, size, self._time()])
            told[side] = rows
            for price, _ in self._sorted(side)[self.depth :]:
                del self.sides[side][price]
        parts = [{s: rows} for s, rows in told.items()]
        parts[-1]["c"] = str(self.checksum())  # type: ignore[assignment]
        return json.dumps([7, *parts, f"book-{self.depth}", self.pair]).encode()

    def checksum(self) -> int:
        text = ""
        for side in "ab":
            for price, size in self._sorted(side)[:10]:
                text += price.replace(".", "").lstrip("0") + size.replace(".", "").lstrip("0")
        return zlib.crc32(text.encode())

    def _sorted(self, side: str) -> list[tuple[str, str]]:
        return sorted(self.sides[side].items(), key=lambda level: float(level[0]), reverse=side == "b")

    def _size(self) -> str:
        return f"{self.rng.randint(1, 10**10) / 1e8:.8f}"

    def _time(self) -> str:
        self.clock += 1
        return f"1618678{self.clock // 10**6:03d}.{self.clock % 10**6:06d}"
