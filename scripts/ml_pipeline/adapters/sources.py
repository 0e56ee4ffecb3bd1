"""Source data by its address: what it holds now, read once from end to end.

Addresses are file://, s3:// and https://, as the trainer reads them: through fsspec, with the
credentials that the process has. https://filesystem-spec.readthedocs.io
"""

import hashlib

from ml_pipeline.documents.faults import PipelineError, UnavailableError
from ml_pipeline.documents.fields import one_line
from ml_pipeline.rules.automation.retraining import SourceState

BLOCK_BYTES = 2**20
_GONE = (404, 410)  # HTTP status
_LONGEST = 200


def read_source(uri: str) -> SourceState:
    """What lies at an address now; it is streamed, a block at a time.

    Raises:
        PipelineError: nothing is there, it is no file, or it is empty.
        UnavailableError: its server does not give it at the moment.
    """
    try:
        import fsspec
    except ImportError as error:
        text = f"{uri}: fsspec, which reads it, is not installed; run `make setup`"
        raise PipelineError(text) from error
    digest, size = hashlib.sha256(), 0
    try:
        with fsspec.open(uri, "rb") as source:
            while block := source.read(BLOCK_BYTES):
                digest.update(block)
                size += len(block)
    except FileNotFoundError as error:
        # fsspec says this of every answer that is not 200; its cause tells which one it was.
        status = getattr(error.__cause__, "status", None)
        if error.__cause__ and status not in _GONE:
            raise _away(uri, error.__cause__) from error
        text = "is not there; correct the address, or have its owner write it"
        raise PipelineError(f"{uri} {text}") from error
    except (IsADirectoryError, ValueError, ImportError) as error:
        said = one_line(str(error), _LONGEST)
        raise PipelineError(f"{uri}: is no file that can be read ({said}); correct it") from error
    except Exception as error:  # each of fsspec's file systems raises the errors of its own client
        raise _away(uri, error) from error
    if not size:
        raise PipelineError(f"{uri} is empty; have its owner write it again")
    return SourceState(uri, digest.hexdigest(), size)


def _away(uri: str, error: BaseException) -> UnavailableError:
    said = one_line(f"{type(error).__name__}: {error}", _LONGEST)
    return UnavailableError(f"{uri} cannot be read now ({said}); check its server and the rights")
