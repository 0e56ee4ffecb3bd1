"""All facts of one environment: `environments/<env>/environment.yaml`."""

from typing import Annotated, Literal

from pydantic import Field

from ml_pipeline.documents.fields import (
    ApiVersion,
    Cpu,
    Digest,
    Memory,
    Slug,
    Strict,
    Text,
    added,
    matching,
)

Address = Annotated[
    str,
    matching(
        r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?",
        "must be an address such as http://mlflow.platform.svc:5000; add the scheme",
    ),
]
ArtifactUri = Annotated[
    str,
    matching(
        r"(file:///|s3://)[A-Za-z0-9._/-]+",
        "must be a folder file:///... or a bucket s3://...; choose one",
    ),
]


GitUrl = Annotated[
    str,
    matching(
        r"(https?://|ssh://([A-Za-z0-9._-]+@)?)[A-Za-z0-9._:/~-]+",
        "must be an address that Flux can fetch, https://... or ssh://...; add the scheme",
    ),
]


class Namespaces(Strict):
    """Where the objects of this environment live."""

    platform: Slug = Field(
        description="Namespace of Flux's objects for this environment and of MLflow; required."
    )
    training: Slug = Field(description="Namespace of data and training Jobs; required.")
    serving: Slug = Field(description="Namespace of SeldonDeployments; required.")


class Image(Strict):
    """An image by digest.

    Where `digest` is absent, it is the content digest of the code in this repository.
    """

    repository: Text = Field(description="Image name without tag or digest; required.")
    digest: Digest | None = Field(
        None, description="Pins the code, for new files; required unless the runtime is embedded."
    )


class Images(Strict):
    """The images that this environment runs."""

    trainer: Image = Field(description="Runs data and training Jobs; required.")
    serving: Image = Field(description="Runs predictors; required.")


class Tracking(Strict):
    """The MLflow server."""

    uri: Address = Field(description="Address of MLflow as pods reach it; required.")
    secret: Slug | None = added(
        None,
        "Secret with MLFLOW_TRACKING_USERNAME and _PASSWORD, or _TOKEN, "
        "in the namespace of training, and of `reconcile`; default none.",
    )


class Artifacts(Strict):
    """Where prepared data and models are kept."""

    uri: ArtifactUri = Field(description="Folder or bucket of the artifact store; required.")
    claim: Slug | None = Field(
        None, description="PersistentVolumeClaim mounted at a file:/// uri; default none."
    )


class GitSource(Strict):
    """The repository as Flux fetches it, and the Secrets that this takes;
    `ml-pipeline bootstrap` says how to make them.
    """

    url: GitUrl = Field(description="Address of this repository; required.")
    secret: Slug | None = Field(
        None, description="Secret with the credentials of the repository; default none."
    )
    commit_status: Slug | None = Field(
        None, description="Secret with a token for commit statuses on GitHub; default none."
    )
    decryption: Slug | None = Field(
        None, description="Secret with the age key of SOPS files below platform/; default none."
    )


class Reconciler(Strict):
    """The Deployment of `ml-pipeline reconcile`, which commits what has happened."""

    image: Image = Field(description="Image of scripts/Dockerfile, with its digest; required.")
    secret: Slug = Field(
        description=(
            "Secret with the deploy key or the token that pushes, "
            "keys as in Flux's Secrets; required."
        )
    )


class Pool(Strict):
    """Nodes of one kind."""

    name: Slug = Field(description="Name of the pool; required.")
    nodes: int = Field(ge=1, description="Nodes at most; required.")
    cpu: Cpu = Field(description="Allocatable cores of one node; required.")
    memory: Memory = Field(description="Allocatable memory of one node; required.")
    gpus: int = Field(0, ge=0, description="GPUs of one node; default 0.")
    gpu_shares: int = Field(
        4,
        ge=1,
        le=48,
        description="Shares that one GPU is offered as, for the option gpu-shared; default 4.",
    )
    gpu_slices: int = Field(
        7,
        ge=1,
        le=7,
        description="MIG slices that one GPU is cut into, for the option gpu-mig; default 7.",
    )
    gpu_type: Text | None = Field(None, description="Kind of GPU; default none.")
    price_per_hour: float = Field(
        ge=0, description="Price of one node for an hour, on demand; required."
    )
    spot_price_per_hour: float | None = Field(
        None, ge=0, description="Price of one spot node for an hour; default none."
    )


class SpendingLimit(Strict):
    """What the environment may cost."""

    monthly: float = Field(
        ge=0, description="Limit for a month in the environment's currency; required."
    )
    currency: Literal["EUR", "USD"] = Field(
        "USD", description="Currency of all prices; default USD."
    )


class Environment(Strict):
    """Everything that differs between environments."""

    apiVersion: ApiVersion = Field(
        description="Version of the format, always ml-pipeline/v1; required."
    )
    kind: Literal["Environment"] = Field(description="Always Environment; required.")
    name: Slug = Field(description="Name of the environment, the same as its folder's; required.")
    runtime: Literal["embedded", "kubernetes"] = Field(
        "kubernetes", description="What applies the manifests; default kubernetes."
    )
    cluster: Text | None = Field(
        None,
        description=(
            "Uid of the one cluster that reconciles this environment, "
            "printed by bootstrap; default any."
        ),
    )
    branch: Text = Field("main", description="Branch that is reconciled; default main.")
    namespaces: Namespaces = Field(description="Namespaces; required.")
    source: GitSource | None = Field(
        None,
        description="The repository as Flux fetches it; required unless the runtime is embedded.",
    )
    images: Images = Field(description="Images by digest; required.")
    tracking: Tracking = Field(description="MLflow; required.")
    artifacts: Artifacts = Field(description="Artifact store; required.")
    reconcile: Reconciler | None = Field(
        None, description="What commits receipts and rollout steps in the cluster; default none."
    )
    pools: tuple[Pool, ...] = Field(
        description="Node pools and prices; required.", min_length=1, strict=False
    )
    training_shards: Literal[1, 2, 4, 8, 16] = Field(
        1,
        description=(
            "Kustomizations that share the training overlays, "
            "for more than 300 runs at a time; default 1."
        ),
    )
    kueue: bool = Field(
        default=False,
        description="Whether Kueue admits the Jobs of this environment; default false.",
    )
    budget: SpendingLimit = Field(description="Spending limit; required.")
    promotes_from: tuple[Slug, ...] = Field(
        (),
        description="Environments whose runs may be promoted here, beside its own; default none.",
        strict=False,
    )
    automatic_promotions: bool = Field(
        default=False,
        description=(
            "Whether automation merges promotions of retrained runs, without a pull request; "
            "default false, and true of an embedded environment."
        ),
    )

    @property
    def merges_retraining(self) -> bool:
        """Whether automation merges promotions of retrained runs: an embedded one is its owner's."""
        return self.automatic_promotions or self.runtime == "embedded"
