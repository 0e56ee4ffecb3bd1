"""Which state of its source an interval of a recurring experiment trains on."""

from typing import Literal

from pydantic import Field

from ml_pipeline.documents.fields import ApiVersion, Sha256, Slug, Strict, Uri
from ml_pipeline.documents.recurrence import Interval


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
