"""What the machine refused, as one line with the repair.

The error's number says which repair, its text is the system's.
"""

import errno

_REPAIRS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free space there"),
    **dict.fromkeys(
        (
            errno.ENOENT,
            errno.EISDIR,
            errno.ENOTDIR,
            errno.EEXIST,
            errno.ENOTEMPTY,
            errno.ENAMETOOLONG,
            errno.ELOOP,
        ),
        "correct the path",
    ),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "correct its rights"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "raise the limit, such as `ulimit -n 4096`"),
    **dict.fromkeys((errno.ENOMEM, errno.EAGAIN), "end other programs, or use a larger machine"),
    **dict.fromkeys(
        (errno.EADDRINUSE, errno.EADDRNOTAVAIL), "end a program that listens on this machine"
    ),
    **dict.fromkeys(
        (errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH),
        "check that it runs and can be reached",
    ),
}


def in_words(error: OSError) -> str:
    """One line: what it was about, what the system said, the repair."""
    subject = error.filename if error.filename is not None else "this machine"
    text = error.strerror or str(error) or type(error).__name__
    repair = _REPAIRS.get(error.errno or 0, "check this machine and run the command again")
    return f"{subject}: {text}; {repair}"
