"""Folders that only this user can enter, with entries that outlive a loss of power."""

import os
from pathlib import Path

from schemas.errors import Unusable


def make_private(folder: Path) -> None:
    """Make `folder` and its parents, as far as they are missing. Raises Unusable."""
    try:
        for missing in reversed([at for at in (folder, *folder.parents) if not at.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)
            sync(missing.parent)
    except OSError as error:
        raise Unusable(f"folder {folder} cannot be made: {error.strerror}") from error
    if not folder.is_dir():
        raise Unusable(f"{folder} is not a folder")


def sync(path: Path) -> None:
    """Return once the content of a file, or the entries of a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
