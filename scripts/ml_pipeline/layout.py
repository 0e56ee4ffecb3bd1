"""Every path of the repository: written and parsed here, and nowhere else.

experiments/<experiment>/experiment.yaml          a person's
                         snapshots/<interval>.yaml    automation's: what an interval trains on
                         data/<id>.yaml           automation's receipts
                         runs/<id>.yaml
environments/<environment>/environment.yaml       a person's
                           promotions/<model>.yaml
                           rollouts/<model>/      automation's: weights that were reached
                           verdicts/<model>/      automation's: how rollouts ended
                           training/<job>/        rendered, as the three below
                           serving/<model>/
                           flux/
                           platform/
base/                                             what overlays build on
"""

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

EXPERIMENTS, ENVIRONMENTS, BASE = "experiments", "environments", "base"
STATE = ".ml-pipeline"  # folder of a checkout that git ignores: what runs on this machine
ROOTS = (EXPERIMENTS, ENVIRONMENTS, BASE)
SHORT = 10  # hexadecimal digits of an identity in file names, labels and messages
OWN = ("secrets", "team")  # folders of platform/ that are people's own
GENERATED = ("training", "serving", "rollouts", "platform", "flux")
BUILT = ("flux", "platform", "serving", "training")  # what `bootstrap` and Flux build
POLICIES = "base/platform/policies/"

_NAME = r"([^/]+)"
_ID = rf"[0-9a-f]{{{SHORT}}}"
EXPERIMENT = re.compile(rf"experiments/{_NAME}/experiment\.yaml")
_EXPERIMENT_FOLDER = re.compile(rf"experiments/{_NAME}")
DATA = re.compile(rf"experiments/{_NAME}/data/{_NAME}\.yaml")
RUN = re.compile(rf"experiments/{_NAME}/runs/{_NAME}\.yaml")
DATA_SNAPSHOT = re.compile(rf"experiments/{_NAME}/snapshots/{_NAME}\.yaml")
ENVIRONMENT = re.compile(rf"environments/{_NAME}/environment\.yaml")
PROMOTION = re.compile(rf"environments/{_NAME}/promotions/{_NAME}\.yaml")
VERDICT = re.compile(rf"environments/{_NAME}/verdicts/{_NAME}/{_NAME}\.yaml")
_ROLLOUT = re.compile(rf"environments/{_NAME}/rollouts/{_NAME}/{_NAME}\.yaml")
_DEPLOYMENT = re.compile(rf"environments/{_NAME}/serving/{_NAME}/promotion/seldondeployment\.yaml")
_AUTOMATION = re.compile(
    r"experiments/[^/]+/(?:snapshots|data|runs)/.+|environments/[^/]+/(?:rollouts|verdicts)/.+"
)
# Git may hold a file where the renderer and people expect a folder.
_FILE_FOR_FOLDER = re.compile(r"(experiments|environments)/[^/.]+")
_JOB_FOLDER = re.compile(rf"(environments/[^/]+/training/([a-z0-9-]+)-({_ID}))-{_ID}")
# Every shape of a path that the renderer writes, below environments/<env>/; a test holds the
# renderer to it. A Job's folder with one hash alone is one of an older version.
_RENDERED = re.compile(
    rf"""environments/[^/]+/(?:
      training/[a-z0-9-]+-{_ID}/(?:kustomization|job)\.yaml
    | serving/[^/]+/(?:kustomization|promotion/kustomization|promotion/seldondeployment)\.yaml
    | (?:training|serving)/serviceaccount\.yaml
    | flux/(?:[^/]+/)?kustomization\.yaml
    | platform/(?:(?:cluster|reconcile|serving|training)/)?kustomization\.yaml)""",
    re.VERBOSE,
)


class Receipt(NamedTuple):
    """Of whom a receipt is; written as `experiment/id` it is how promotions name a run."""

    experiment: str
    id: str

    @property
    def reference(self) -> str:
        """`experiment/id`, which `reference_of` reads."""
        return f"{self.experiment}/{self.id}"


class Served(NamedTuple):
    """A model in an environment."""

    environment: str
    model: str


class Rollout(NamedTuple):
    """One way of a model to the run that its promotion asks for."""

    environment: str
    model: str
    target: str


@dataclass(frozen=True)
class JobFolder:
    """Folder of a Job's overlay, `<stem>-<hash of the Pod template>`, where the stem ends with
    what it makes.

    `maker` is the experiment, or `data`, which an experiment may be called too:
    `rules/render/training.py` tells them apart.
    """

    path: str
    stem: str
    maker: str
    short: str


def experiment_path(name: str) -> str:
    """Where a person says what to train."""
    return f"experiments/{name}/experiment.yaml"


def data_path(experiment: str, identity: str) -> str:
    """Where automation keeps the receipt of prepared data."""
    return f"experiments/{experiment}/data/{identity[:SHORT]}.yaml"


def run_path(experiment: str, identity: str) -> str:
    """Where automation keeps the receipt of a run."""
    return f"experiments/{experiment}/runs/{identity[:SHORT]}.yaml"


def data_snapshot_path(experiment: str, interval: str) -> str:
    """Where automation says which state of its source an interval of an experiment trains on."""
    return f"experiments/{experiment}/snapshots/{interval}.yaml"


def environment_path(name: str) -> str:
    """Where an administrator says what an environment is."""
    return f"environments/{name}/environment.yaml"


def environment_folder(name: str, part: str = "") -> str:
    """An environment's folder, or that of one part of it; without a slash at the end."""
    return f"environments/{name}/{part}" if part else f"environments/{name}"


def promotion_path(environment: str, model: str) -> str:
    """Where a person says which run serves a model."""
    return f"environments/{environment}/promotions/{model}.yaml"


def rollouts_folder(environment: str, model: str) -> str:
    """Where automation keeps all that it has reached for a model, with a slash at the end."""
    return f"environments/{environment}/rollouts/{model}/"


def rollout_path(environment: str, model: str, target: str) -> str:
    """Where automation keeps the weights that it has reached for one rollout."""
    return f"{rollouts_folder(environment, model)}{target}.yaml"


def verdict_path(environment: str, model: str, target: str) -> str:
    """Where automation says why a rollout has ended."""
    return f"environments/{environment}/verdicts/{model}/{target}.yaml"


def serving_folder(environment: str, model: str) -> str:
    """What Flux builds for a served model."""
    return f"environments/{environment}/serving/{model}"


def job_stem(environment: str, maker: str, identity: str) -> str:
    """What the folders of all Jobs that make the same thing begin with."""
    return f"environments/{environment}/training/{maker}-{identity[:SHORT]}"


def root_of(path: str) -> str:
    """What a path begins with: `experiments`, `environments`, `base`, or something else."""
    return path.partition("/")[0]


def is_base(path: str) -> bool:
    """Whether a file is one that overlays build on."""
    return path.startswith("base/")


def resolved(folder: str, entry: str) -> str:
    """The path that a file in a folder means by a relative one."""
    return posixpath.normpath(f"{folder}/{entry}")


def folder_of(path: str) -> str:
    """The folder that a file lies in."""
    return path.rpartition("/")[0]


def file_of(path: str) -> str:
    """The name of a file in its folder."""
    return path.rpartition("/")[2]


def stem_of(path: str) -> str:
    """The name of a document's file without its suffix: a short identity, a model, a target."""
    return file_of(path).removesuffix(".yaml")


def owner_of(path: str) -> str:
    """The experiment or environment below whose folder a path lies; empty above that."""
    return (*path.split("/", 2), "", "")[1]


def part_of(path: str) -> str:
    """Which folder of an environment a path lies in, or is: `training`; empty elsewhere."""
    parts = path.split("/", 3)
    return parts[2] if len(parts) > 2 and parts[0] == ENVIRONMENTS else ""


def entry_of(path: str) -> str:
    """What of a part of an environment a path lies in, or is: a model, a Job's folder."""
    parts = path.split("/", 4)
    return parts[3] if len(parts) > 3 and parts[0] == ENVIRONMENTS else ""


def built_path(path: str) -> str | None:
    """The path of Flux that a file lies below, `environments/<env>/training`; None elsewhere."""
    parts = path.split("/", 3)
    return "/".join(parts[:3]) if len(parts) == 4 and part_of(path) in BUILT else None


def folders_between(top: str, path: str) -> Iterator[str]:
    """The folders that a file lies in, from the topmost down, `top` the first of them."""
    folder = top
    for name in path[len(top) + 1 :].split("/"):
        yield folder
        folder = f"{folder}/{name}"


def rolled_out(path: str) -> Served | None:
    """The model whose rollouts a file lies among, at any depth."""
    parts = path.split("/", 4)
    if len(parts) == 5 and part_of(path) == "rollouts":
        return Served(parts[1], parts[3])
    return None


def environment_of(path: str) -> str | None:
    """The environment whose facts a file holds."""
    match = ENVIRONMENT.fullmatch(path)
    return match[1] if match else None


def experiments_of(paths: Iterable[str]) -> set[str]:
    """The experiments that some files describe: what they train, or on which state of its data."""
    described = filter(_describes_an_experiment, paths)
    return set(map(owner_of, described))


def _describes_an_experiment(path: str) -> bool:
    return bool(EXPERIMENT.fullmatch(path) or DATA_SNAPSHOT.fullmatch(path))


def run_of(path: str) -> Receipt | None:
    """The run whose receipt a file is."""
    match = RUN.fullmatch(path)
    return Receipt(*match.groups()) if match else None


def data_of(path: str) -> Receipt | None:
    """The data whose receipt a file is."""
    match = DATA.fullmatch(path)
    return Receipt(*match.groups()) if match else None


def promotion_of(path: str) -> Served | None:
    """What a file promotes."""
    match = PROMOTION.fullmatch(path)
    return Served(*match.groups()) if match else None


def rollout_of(path: str) -> Rollout | None:
    """The rollout whose weights a file holds; its component's target is `kustomization`."""
    match = _ROLLOUT.fullmatch(path)
    return Rollout(*match.groups()) if match else None


def verdict_of(path: str) -> Rollout | None:
    """The rollout whose verdict a file is."""
    match = VERDICT.fullmatch(path)
    return Rollout(*match.groups()) if match else None


def deployment_of(path: str) -> Served | None:
    """The model that a rendered deployment serves."""
    match = _DEPLOYMENT.fullmatch(path)
    return Served(*match.groups()) if match else None


def reference_of(reference: str) -> Receipt:
    """A run as promotions name it, `experiment/id`; the id is empty where there is no slash."""
    experiment, _, short = reference.partition("/")
    return Receipt(experiment, short)


def job_folder(path: str) -> JobFolder | None:
    """The folder as one of a Job's overlay, None where it is none."""
    match = _JOB_FOLDER.fullmatch(path)
    return JobFolder(path, *match.groups()) if match else None


def job_folders(files: Iterable[str]) -> dict[str, JobFolder]:
    """Folders of Jobs' overlays by the short identity of what each makes."""
    folders: dict[str, JobFolder] = {}
    for path in files:
        if file_of(path) == "kustomization.yaml":
            folder = job_folder(folder_of(path))
            if folder:
                folders[folder.short] = folder
    return folders


def is_of_a_job(path: str, environment: str) -> bool:
    """Whether a file is part of the overlay of a Job in this environment."""
    return path.startswith(f"environments/{environment}/training/") and path.count("/") > 3


def short_of(path: str) -> str:
    """Short identity of what the overlay of a Job makes; empty for a folder not named by it."""
    folder = job_folder(folder_of(path))
    return folder.short if folder else ""


def maker_of(path: str) -> str:
    """What the folder of a Job's overlay begins with: the experiment, or `data`."""
    folder = job_folder(folder_of(path))
    return folder.maker if folder else ""


def own_place(path: str) -> str | None:
    """The place of people's own that a file lies in, `environments/<env>/platform/team`."""
    parts = path.split("/", 4)
    if len(parts) == 5 and part_of(path) == "platform" and parts[3] in OWN:
        return "/".join(parts[:4])
    return None


def is_of_a_rollout(path: str) -> bool:
    """Whether a file lies where automation keeps what it has reached for a model."""
    return part_of(path) == "rollouts" and path.count("/") == 4


def is_experiment_folder(path: str) -> bool:
    """Whether a path is where an experiment's folder lies; of a file, a link for example, that
    is there in its place."""
    return bool(_EXPERIMENT_FOLDER.fullmatch(path))


def is_listed(path: str) -> bool:
    """Whether a file is a document, or lies where only documents may."""
    if is_base(path) or is_generated(path):
        return False
    return path.endswith((".yaml", ".yml")) or bool(_FILE_FOR_FOLDER.fullmatch(path))


def is_automations(path: str) -> bool:
    """Whether a path is one that automation's commits write."""
    return bool(_AUTOMATION.fullmatch(path))


def is_generated(path: str) -> bool:
    """Whether a file is rendered from documents and so not itself a document."""
    return part_of(path) in GENERATED


def is_renderers(path: str) -> bool:
    """Whether the renderer may write a path, and so delete it."""
    return bool(_RENDERED.fullmatch(path))
