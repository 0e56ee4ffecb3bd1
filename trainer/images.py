"""Folders of images in an archive: the folder that holds an image is its class."""

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from trainer.config import DataError
from trainer.rows import EXPANDED_BYTES, Table, numbered_labels

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
# A PNG of a few KiB can be any size once it is decoded.
LARGEST_PIXELS = 4096 * 4096
_CHANNELS = ["red", "green", "blue"]
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,  # a compression that zipfile does not know
    RuntimeError,  # a password
)


def read_images(uri: str, content: bytes) -> Table:
    """Images as N x 3 x H x W and their classes, in the order of their paths.

    Raises:
        DataError: the archive or an image is damaged, or the images differ in size.
    """
    members = sorted(_members(uri, content))
    if not members:
        raise DataError(
            f"{uri}: holds no <class>/<image> files ending in {', '.join(SUFFIXES)}; "
            "put the images of each class into a folder of its name"
        )
    first = members[0][0]
    pixels_NHWC: list[np.ndarray] = []
    for path, raw in members:
        image = _decoded(uri, path, raw)
        if pixels_NHWC and image.shape != pixels_NHWC[0].shape:
            raise DataError(
                f"{uri}: images differ in size: {first} is {_size(pixels_NHWC[0])}, "
                f"{path} is {_size(image)}; bring all to one size"
            )
        if 4 * image.size * len(members) > EXPANDED_BYTES:
            raise DataError(
                f"{uri}: {len(members)} images of {_size(image)} pixels take more than "
                f"{EXPANDED_BYTES // 2**20} MiB; scale them down"
            )
        pixels_NHWC.append(image)
    folders = np.array([path.split("/")[-2] for path, _ in members])
    features = np.stack(pixels_NHWC).transpose(0, 3, 1, 2).astype(np.float32, order="C")
    labels_N, classes = numbered_labels(uri, folders)
    return Table(features, labels_N, _CHANNELS, classes)


def _decoded(uri: str, path: str, raw: bytes) -> np.ndarray:
    """Pixels of one image, H x W x 3."""
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(raw))
        if image.width * image.height > LARGEST_PIXELS:
            raise DataError(
                f"{uri}: {path} is {image.width} x {image.height} pixels, "
                f"at most {LARGEST_PIXELS} in all; scale it down"
            )
        return np.asarray(image.convert("RGB"), np.uint8)
    except UnidentifiedImageError as error:
        raise DataError(f"{uri}: {path} is no image; replace it or leave it out") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{uri}: {path} cannot be read as an image: {error}; replace it or leave it out"
        ) from error


def _members(uri: str, content: bytes) -> list[tuple[str, bytes]]:
    read = _from_zip if uri.lower().endswith(".zip") else _from_tar
    expanded, members = 0, []
    try:
        for path, size, raw in read(content):
            expanded += size
            if expanded > EXPANDED_BYTES:
                raise DataError(
                    f"{uri}: expands to more than {EXPANDED_BYTES // 2**20} MiB; use fewer images"
                )
            if _is_image(path):
                members.append((path, raw()))
    except _BROKEN as error:
        raise DataError(f"{uri}: is no whole archive: {error}; write it again") from error
    return members


def _from_zip(content: bytes) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                yield member.filename, member.file_size, partial(archive.read, member)


def _from_tar(content: bytes) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            if member.isfile():
                yield member.name, member.size, partial(_extract, archive, member)


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    source = archive.extractfile(member)
    assert source is not None
    return source.read()


def _is_image(path: str) -> bool:
    """Whether a path is an image in a folder; what macOS
    and editors leave beside images is none."""
    folders, _, name = path.rpartition("/")
    hidden = name.startswith(".") or "__MACOSX" in folders.split("/")
    return bool(folders) and not hidden and name.lower().endswith(SUFFIXES)


def _size(pixels_HWC: np.ndarray) -> str:
    return f"{pixels_HWC.shape[1]} x {pixels_HWC.shape[0]}"
