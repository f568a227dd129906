"""Keras's own files of the real reviews: from its cache, or downloaded into it."""

import errno
import hashlib
import os
import tempfile
from pathlib import Path

from unrolled.datasets.errors import DataError
from unrolled.extras import need

ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
PUBLISHED = {  # digests of the files, as they stand in Keras's source
    "imdb.npz": ("sha256", "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"),
    "imdb_word_index.json": ("md5", "bfafd718b763782e994055a2d397834f"),
}


def digest(file: Path, algorithm: str = "sha256") -> str:
    """The digest of a file's content in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, algorithm).hexdigest()


def is_published(file: Path, name: str) -> bool:
    """Whether the file is, bit for bit, the one that Keras publishes under this name."""
    algorithm, expected = PUBLISHED[name]
    return digest(file, algorithm) == expected


def published(name: str) -> Path:
    """Keras's own file: from its cache (KERAS_HOME or ~/.keras), otherwise downloaded there."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser()
    file = home / "datasets" / name
    if not file.exists():
        _download(name, file)
    elif not is_published(file, name):
        raise DataError(
            f"{file} is not the file that Keras publishes (its {PUBLISHED[name][0].upper()} "
            "differs): delete it and it is fetched anew, or name a file of your own by "
            "UNROLLED_IMDB."
        )
    return file


def _download(name: str, file: Path) -> None:
    """Download into a folder of its own, moved to its place when whole and checked."""
    instead = (
        f"get {ORIGIN}{name} by hand and put it at {file}, or let UNROLLED_IMDB name reviews that "
        "you have, or work with the sample (UNROLLED_DATA=sample)."
    )
    pooch = need("pooch", "data")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            downloader = pooch.HTTPDownloader(progressbar=True, timeout=60)
            pooch.retrieve(ORIGIN + name, None, name, folder, downloader=downloader)
            fetched = Path(folder) / name
            if not is_published(fetched, name):
                raise DataError(
                    f"The download of {name} is not the file that Keras publishes (its "
                    f"{PUBLISHED[name][0].upper()} differs) and was thrown away: try again, or "
                    + instead
                )
            fetched.replace(file)
    except DataError:
        raise
    except Exception as error:  # requests has many kinds for a network that fails
        number = error.errno if isinstance(error, OSError) else None
        if number in (errno.ENOSPC, errno.EDQUOT):
            problem = OSError(f"The disk is full, {file} was not written: make room, or {instead}")
        elif number in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR):
            problem = OSError(f"{file} may not be written ({error}): set KERAS_HOME, or {instead}")
        else:
            problem = ConnectionError(f"{name} could not be downloaded ({error}): {instead}")
        raise problem from None
