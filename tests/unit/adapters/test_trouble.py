"""The repair fits what the machine refused, with errors that the system itself raises."""

import errno
import socket

import pytest
from ml_pipeline.adapters.trouble import in_words


@pytest.mark.parametrize(
    ("number", "repair"),
    [
        (errno.ENOSPC, "free space there"),
        (errno.EISDIR, "correct the path"),
        (errno.EACCES, "correct its rights"),
        (errno.EROFS, "correct its rights"),
        (errno.EMFILE, "raise the limit, such as `ulimit -n 4096`"),
        (errno.EADDRINUSE, "end a program that listens on this machine"),
        (errno.EIO, "check this machine and run the command again"),
    ],
)
def test_repair_is_that_of_the_error(number, repair):
    assert in_words(OSError(number, "said", "/x")) == f"/x: said; {repair}"


def raised(action) -> str:
    with pytest.raises(OSError) as error:
        action()
    return in_words(error.value)


def test_path_of_the_system_s_error_is_named(tmp_path):
    gone = tmp_path / "gone"
    assert raised(tmp_path.read_bytes) == f"{tmp_path}: Is a directory; correct the path"
    assert raised(gone.read_bytes) == f"{gone}: No such file or directory; correct the path"


def test_error_without_path_or_number_is_one_line():
    assert (
        in_words(OSError("odd"))
        == "this machine: odd; check this machine and run the command again"
    )
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        said = raised(lambda: second.bind(first.getsockname()))
    assert (
        said == "this machine: Address already in use; end a program that listens on this machine"
    )
