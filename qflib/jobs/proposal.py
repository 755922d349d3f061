"""A scenario set that a run proposes: a file beside its page, which comes into force when somebody approves it."""

from __future__ import annotations

import os
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from qflib.errors import ChecksumError, DataError
from qflib.shortfall import ScenarioSet

#: The variable by which a run tells its kernel where a proposal goes.
FOLDER = "QFLIB_JOB_FOLDER"
PROPOSAL = "proposal.npz"
_MOST_BYTES = 1 << 30  # of arrays: a file of a few bytes may say that it holds more than there is memory
_ARRAYS = ("spot_return", "vol_shift", "underlyings", "horizon_ns", "n_historical", "set_id")


def propose(scenarios: ScenarioSet) -> Path | None:
    """Leave a scenario set with the run that this kernel belongs to.

    Returns
    -------
    Path or None
        Where it lies till the run is done; None where the notebook is run by hand: nothing is proposed then.

    Examples
    --------
    >>> from qflib.jobs.proposal import propose
    >>> from qflib.shortfall import ScenarioSet
    >>> propose(ScenarioSet(("ACME",), [[-0.02], [0.01]], [[0.01], [-0.005]], 86_400_000_000_000, 2)) is None
    True
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        return None
    file = Path(folder, PROPOSAL)
    write(scenarios, file)
    return file


def write(scenarios: ScenarioSet, file: Path) -> None:
    """Write a set: arrays alone, which whoever reads them need not trust."""
    s = scenarios
    arrays = {
        "set_id": np.array(s.set_id),
        "underlyings": np.array(s.underlyings),
        "horizon_ns": np.array(s.horizon_ns, np.int64),
        "n_historical": np.array(s.n_historical, np.int64),
        "spot_return": s.spot_return,
        "vol_shift": s.vol_shift,
    }
    with file.open("wb") as to:
        np.savez_compressed(to, allow_pickle=False, **arrays)


def read(file: Path) -> ScenarioSet:
    """The set in a file.

    Raises
    ------
    DataError
        If there is none, or it is torn.
    ChecksumError
        If its content does not have the id that it tells.
    """
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as told:
            _bound(told.zip)
            spot, vol, names, horizon, first, set_id = (told[n] for n in _ARRAYS)
        made = ScenarioSet(tuple(names.tolist()), spot, vol, int(horizon), int(first))
        wanted = str(set_id)
    except FileNotFoundError:
        raise DataError(f"{file.name} does not exist: the run proposed nothing, or was thrown away") from None
    except Exception as e:  # whatever zip, zlib and NumPy say of torn bytes
        raise DataError(f"{file.name} is no proposal ({e}); run the job again with --force") from None
    if made.set_id != wanted:
        raise ChecksumError(
            f"{file.name} holds scenario set {made.set_id}, not {wanted}; run the job again with --force"
        )
    return made


def _bound(archive: ZipFile) -> None:
    if sum(i.file_size for i in archive.infolist()) > _MOST_BYTES:
        raise ValueError("it is too large")
