"""`ml-pipeline review`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ml_pipeline.commands import console
from ml_pipeline.commands.command import Arguments, Command, Options
from ml_pipeline.commands.options import base, output
from ml_pipeline.documents.escape import line

if TYPE_CHECKING:
    from ml_pipeline.operations.review import Review


def add_arguments(arguments: Arguments) -> None:
    base(arguments)
    arguments.add_argument(
        "--head",
        metavar="REV",
        help="review this revision by git's objects alone (default: the working tree)",
    )
    arguments.add_argument(
        "--comment", type=Path, metavar="FILE", help="write the comment there too"
    )
    arguments.add_argument(
        "--annotations",
        action="store_true",
        help="print findings as annotations of GitHub Actions, to stderr",
    )
    output(arguments, "markdown")


def run(options: Options) -> int:
    from ml_pipeline.adapters.files import refuse_no_file, write_answer
    from ml_pipeline.operations.review import Merge, review

    if options.comment:
        # What takes minutes to find out should not be lost at the end.
        refuse_no_file(options.comment)
    merge = Merge(options.base, options.head)
    answer = review(options.repo, merge, talk=console.talk)
    markdown = _markdown(answer)
    if options.comment:
        write_answer(options.comment, markdown.encode())
    if options.annotations:
        _annotate(answer)
    text = markdown if options.output == "markdown" else _text(answer)
    console.answer(_data(answer), text, options.output)
    if answer.crashed:
        return console.BUG
    return console.OK if answer.holds else console.FINDINGS


def _markdown(answer: "Review") -> str:
    """The comment of a pull request."""
    from ml_pipeline.rules.review.comment import comment

    merge = answer.difference
    return comment(
        merge.consequences,
        merge.objects,
        answer.checks,
        notes=answer.notes,
        hints=answer.hints,
    )


def _text(answer: "Review") -> str:
    """For a terminal: what is to be mended, then what the merge does."""
    from ml_pipeline.commands import difference

    findings = [finding for check in answer.checks for finding in check.all_findings]
    lines = [console.coloured(line(finding), "red") for finding in findings]
    if findings:
        lines.append("")
    if findings and not answer.difference:
        lines.append("what it changes is not known until that is mended")
    else:
        lines.append(difference.text(answer.difference))
    return "\n".join([*lines, *map(line, answer.notes), *map(line, answer.hints)])


def _data(answer: "Review") -> dict[str, object]:
    from ml_pipeline.commands import difference

    checks = [asdict(check) for check in answer.checks]
    return {"checks": checks, **difference.as_data(answer.difference)}


def _annotate(answer: "Review") -> None:
    """Show each finding beside the line that it names."""
    from ml_pipeline.operations.review import PLACE

    for check in answer.checks:
        for finding in check.all_findings:
            place = PLACE.match(finding)
            if place:
                where = {"file": place["path"], "line": int(place["line"])}
                console.annotate(finding[place.end() :], **where, title=check.name)
            else:
                console.annotate(finding, title=check.name)


COMMAND = Command(
    "review",
    "check everything that a merge would change, for one comment",
    add_arguments,
    run,
    example="review --output markdown",
    prints="the comment of a pull request; exit code 1 with findings, 3 where a check crashed",
)
