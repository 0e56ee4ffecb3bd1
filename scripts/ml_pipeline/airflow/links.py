"""Where the commit and the receipt of a step are, for a click."""

import re
from typing import Any

from airflow.sdk import BaseOperatorLink

from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.layout import reference_of, run_path

_HOST = r"[A-Za-z0-9.-]+(?::\d+)?"
_FORGES = (
    re.compile(rf"https?://(?:[^@/]+@)?({_HOST}/.+?)(?:\.git)?/?"),
    re.compile(rf"ssh://(?:[^@/]+@)?({_HOST}/.+?)(?:\.git)?/?"),
    re.compile(r"[^@/]+@([A-Za-z0-9.-]+):(.+?)(?:\.git)?/?"),
)


def web_address(origin: str) -> str:
    """The pages of a forge for a git address; empty for one that has none, such as a folder."""
    for form in _FORGES:
        match = form.fullmatch(origin)
        if match:
            return "https://" + re.sub(r":\d+", "", "/".join(match.groups()))
    return ""


def commit_page(clone: Repository, commit: str | None) -> str:
    """The page of a commit; the commit itself where its repository has no pages."""
    top = _pages_of(clone)
    return f"{top}/commit/{commit}" if top and commit else commit or ""


def receipt_page(clone: Repository, run: str | None) -> str:
    """The page of the receipt of `experiment/id`; its path where the repository has no pages."""
    if not run:
        return ""
    receipt = reference_of(run)
    path = run_path(receipt.experiment, receipt.id)
    top = _pages_of(clone)
    return f"{top}/blob/{clone.branch}/{path}" if top else path


def _pages_of(clone: Repository) -> str:
    return web_address(clone.call("config", "remote.origin.url"))


class CommitLink(BaseOperatorLink):
    """The commit that a step has made, or found."""

    name = "Commit"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002  Airflow passes it
        """Its page; Airflow asks in the process of the step, once that has ended."""
        page: str = operator.commit_page
        return page


class ReceiptLink(BaseOperatorLink):
    """The receipt of the run."""

    name = "Receipt"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002  Airflow passes it
        """Its page; empty until there is one."""
        page: str = operator.receipt_page
        return page
