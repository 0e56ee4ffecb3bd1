"""A review of a merge, as people, programs, a pull request and GitHub Actions read it."""

from dataclasses import asdict

from ml_pipeline.commands import console, difference
from ml_pipeline.documents.escape import line
from ml_pipeline.operations.review import PLACE, Review
from ml_pipeline.rules.review.comment import comment


def markdown(review: Review) -> str:
    """The comment of a pull request."""
    merge = review.difference
    return comment(
        merge.consequences, merge.objects, review.checks, notes=review.notes, hints=review.hints
    )


def text(review: Review) -> str:
    """For a terminal: what is to be mended, then what the merge does."""
    findings = [finding for check in review.checks for finding in check.all_findings]
    lines = [console.coloured(line(finding), "red") for finding in findings]
    if findings:
        lines.append("")
    if findings and not review.difference:
        lines.append("what it changes is not known until that is mended")
    else:
        lines.append(difference.text(review.difference))
    return "\n".join([*lines, *map(line, review.notes), *map(line, review.hints)])


def as_data(review: Review) -> dict[str, object]:
    """The same, for --output json."""
    checks = [asdict(check) for check in review.checks]
    return {"checks": checks, **difference.as_data(review.difference)}


def annotate(review: Review) -> None:
    """Show each finding beside the line that it names."""
    for check in review.checks:
        for finding in check.all_findings:
            place = PLACE.match(finding)
            if place:
                where = {"file": place["path"], "line": int(place["line"])}
                console.annotate(finding[place.end() :], **where, title=check.name)
            else:
                console.annotate(finding, title=check.name)
