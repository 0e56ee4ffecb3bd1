"""What MLflow's REST API answers, as far as it is read here. Other keys are passed over."""

from pydantic import BaseModel, ConfigDict

_ARTIFACTS = "mlflow-artifacts:/"  # what MLflow's own artifact proxy calls its root
_STORED = "mlflow"  # the folder of the artifact store that this is


class Part(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="ignore", strict=True)


class Tag(Part):
    """A tag of a run or of a version."""

    key: str
    value: str = ""


class Info(Part):
    """What MLflow itself notes of a run."""

    run_id: str
    experiment_id: str
    artifact_uri: str = ""
    lifecycle_stage: str = "active"
    status: str = ""


class Data(Part):
    """What was noted of a run by others."""

    tags: list[Tag] = []


class ModelOutput(Part):
    """A model that a run has logged."""

    model_id: str


class Outputs(Part):
    """What a run has logged."""

    model_outputs: list[ModelOutput] = []


class LoggedRun(Part):
    """A run as MLflow has it."""

    info: Info
    data: Data = Data()
    outputs: Outputs = Outputs()

    @property
    def folders(self) -> tuple[str, ...]:
        """Where in the artifact store lies what the run has logged: its folder, one a model."""
        own = self.info.artifact_uri.removeprefix(_ARTIFACTS).lstrip("/")
        experiment = self.info.experiment_id
        models = (
            f"{_STORED}/{experiment}/models/{output.model_id}/artifacts"
            for output in self.outputs.model_outputs
        )
        return (f"{_STORED}/{own}", *models) if own else tuple(models)

    @property
    def tags(self) -> dict[str, str]:
        """Values of its tags by key."""
        return {tag.key: tag.value for tag in self.data.tags}


class Reply(Part):
    """A whole answer. Other keys are kept: one with nothing else is somebody else's answer."""

    model_config = ConfigDict(extra="allow", strict=True)

    error_code: str | None = None


class Refusal(Part):
    """What MLflow says where it does not do what it was asked to."""

    error_code: str
    message: str = ""


class Page(Reply):
    """A part of a list, and what names the next one."""

    next_page_token: str | None = None


class OneRun(Reply):
    """Of runs/get."""

    run: LoggedRun


class Runs(Page):
    """Of runs/search."""

    runs: list[LoggedRun] = []


class Experiment(Part):
    """An experiment of MLflow's."""

    experiment_id: str


class Experiments(Page):
    """Of experiments/search."""

    experiments: list[Experiment] = []


class ModelVersion(Part):
    """A version of a registered model; MLflow writes its number as text."""

    version: str
    tags: list[Tag] = []

    @property
    def run(self) -> str | None:
        """The run that it is of, as git names it; None for a version that somebody else made."""
        return next((tag.value for tag in self.tags if tag.key == "run"), None)


class OneVersion(Reply):
    """Of model-versions/create."""

    model_version: ModelVersion


class Versions(Page):
    """Of model-versions/search."""

    model_versions: list[ModelVersion] = []


class NamedVersion(Part):
    """An alias and the number of the version that it names."""

    alias: str
    version: str


class RegisteredModel(Part):
    """A registered model."""

    name: str
    aliases: list[NamedVersion] = []


class Models(Page):
    """Of registered-models/search."""

    registered_models: list[RegisteredModel] = []
