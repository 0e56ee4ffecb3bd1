"""`ml-pipeline submit`."""

from pathlib import Path
from typing import TYPE_CHECKING

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import remote, settings

if TYPE_CHECKING:
    from ml_pipeline.adapters.git.checkout import Following
    from ml_pipeline.operations.submit import Submission


def add_arguments(arguments: Arguments) -> None:
    arguments.add_argument(
        "draft",
        type=Path,
        metavar="FILE",
        help="the experiment.yaml; image may be missing, it is pinned then",
    )
    settings(arguments, "change a key first, such as parameters.epochs=5")
    arguments.add_argument(
        "--merge",
        action="store_true",
        help="commit on the branch itself instead of a branch for a pull request",
    )
    remote(arguments)


def run(options: Options) -> int:
    from ml_pipeline.operations.drafts import read_draft
    from ml_pipeline.operations.submit import follow_tree, submit

    submission = submit(
        options.repo,
        read_draft(options.draft, tuple(options.set)),
        merge=options.merge,
        remote=options.remote,
        talk=console.talk,
    )
    console.result(_outcome(submission))
    if submission.lacking and not submission.receipt:
        console.talk(submission.lacking)
    if submission.committed and options.merge:
        # Only now: whatever the tree is like, the person has read that the commit is there.
        _talk_of_tree(submission, follow_tree(options.repo, submission))
    return console.OK


def _outcome(submission: "Submission") -> str:
    where = f"{submission.revision[:10]} on {submission.branch}"
    if submission.receipt:
        done = f"committed as {where}" if submission.committed else "nothing to commit"
        return f"{submission.name}: {done}; {submission.lacking or submission.settled}"
    if submission.committed:
        return f"{submission.name}: committed as {where}"
    return f"{submission.name}: nothing to commit, it is {where} already"


def _talk_of_tree(submission: "Submission", following: "Following") -> None:
    if following.followed:
        console.talk(f"{submission.branch} of this clone is at {submission.revision[:10]} too")
    elif following.removed:
        gone = ", ".join(following.removed)
        pull = f"`git pull {submission.remote} {submission.branch}`"
        console.talk(f"{gone} went from this tree into the commit; {pull} brings it")


COMMAND = Command(
    "submit",
    "commit an experiment, for a pull request or merged",
    add_arguments,
    run,
    example="submit experiments/digits-small/experiment.yaml --merge",
    prints="the commit, or that the run is trained already and its receipt is reused",
)
