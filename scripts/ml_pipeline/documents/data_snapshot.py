"""Which state of its source an interval of a recurring experiment trains on."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from ml_pipeline.documents.fields import ApiVersion, Sha256, Slug, Strict, Uri, Written
from ml_pipeline.documents.recurrence import moment_of


def _interval(value: str) -> None:
    try:
        moment_of(value)
    except ValueError:
        text = "must be a minute in UTC such as 20260131T1200Z; restore the file from git"
        raise ValueError(text) from None


Interval = Annotated[str, Written(_interval, {"type": "string", "examples": ["20260131T1200Z"]})]


class DataSnapshot(Strict):
    """Which state of its source an interval trains on: `experiments/<name>/snapshots/<interval>.yaml`.

    Automation writes it once. The newest one takes the place of the dataset's address and digest.
    """

    apiVersion: ApiVersion = Field(
        description="Version of the format, always ml-pipeline/v1; required."
    )
    kind: Literal["DataSnapshot"] = Field(description="Always DataSnapshot; required.")
    experiment: Slug = Field(description="The experiment that trains on it; required.")
    interval: Interval = Field(
        description="Moment in UTC at which the schedule fired, the same as the file's name; required."
    )
    uri: Uri = Field(description="Where the source was; required.")
    sha256: Sha256 = Field(description="SHA-256 of its bytes; required.")
    bytes: int = Field(ge=1, description="Size of the source; required.")

    @property
    def moment(self) -> datetime:
        """The moment at which the schedule fired, in UTC."""
        return moment_of(self.interval)
