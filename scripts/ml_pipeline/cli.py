"""`ml-pipeline`: one command run, and one place where every error becomes a line and a code.

Exit codes: 0 in the desired state, 1 findings or drift, 2 wrong usage or invalid input,
3 a bug here, 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ml_pipeline.commands import console
from ml_pipeline.commands.groups import COMMANDS
from ml_pipeline.commands.parser import parsed
from ml_pipeline.documents.faults import PipelineError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and make an exit code of every way in which it can end."""
    try:
        options = parsed(arguments)
        options.repo = _top(options.repo)
        return COMMANDS[options.command].run(options)
    except PipelineError as error:
        console.problem(str(error))
        return console.USAGE
    except BrokenPipeError:
        # Whoever reads has enough; Python would flush what is left at its end, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return console.OK
    except OSError as error:
        from ml_pipeline.adapters.trouble import in_words

        console.problem(in_words(error))
        return console.USAGE
    except KeyboardInterrupt:
        console.talk("interrupted; the next run carries on")
        return console.INTERRUPTED
    except Exception:  # noqa: BLE001  the boundary: a bug becomes a report and exit code 3
        import traceback

        console.talk("this is a bug; please report it with these lines:\n" + traceback.format_exc())
        return console.BUG


def _top(repo: Path) -> Path:
    # Not above: --help never comes here, and must not wait for it.
    from ml_pipeline.adapters.git.working_tree import find_top

    return find_top(repo)


if __name__ == "__main__":
    sys.exit(main())
