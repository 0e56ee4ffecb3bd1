"""Where the embedded environment keeps what its pods and services have printed, also of Jobs that are gone."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ml_pipeline.environments.embedded.state import State
from ml_pipeline.rules.diagnosis.logs import JobTrace

_DONE = ("Complete", "Failed")
_PREDICTOR = re.compile(r"(.+)-run-[0-9a-f]{10}-[0-9a-f]{5}")
_KEPT = re.compile(r"(.+?)(\.\d+)?")  # the second log of a name ends with .2, the third with .3


@dataclass(frozen=True)
class PodLog:
    """What a pod, or a service, has printed. `written` is when it did so last, in seconds since the epoch."""

    pod: str
    path: Path
    written: float


def traces(state: State) -> list[JobTrace]:
    """Jobs that are there, and those that are gone but whose logs are kept; each name once."""
    found: dict[str, JobTrace] = {}
    for name in state.names("logs/jobs"):
        kept = state.read(f"logs/jobs/{name}")
        if kept:
            found[name] = JobTrace(name, kept["labels"], kept.get("created", 0.0))
    for name in state.names("jobs"):
        record = state.read(f"jobs/{name}")
        if record:  # it may just have been dropped
            labels = record["manifest"]["metadata"]["labels"]
            found[name] = JobTrace(name, labels, record.get("created", 0.0))
    return list(found.values())


def logs_of_jobs(state: State, jobs: Iterable[JobTrace]) -> list[PodLog]:
    """One log for each try, the oldest first."""
    names = "|".join(re.escape(job.name) for job in jobs)
    return _matching(state, rf"({names})-\d+")


def logs_of_others(state: State, name: str) -> list[PodLog]:
    """Logs of a pod, of a predictor with or without the end of its name, of all predictors of a model, or of a service."""
    found = _matching(state, rf"{re.escape(name)}(-run-[0-9a-f]{{10}})?(-[0-9a-f]{{5}})?")
    service = state.log(name)
    if "/" not in name and service.exists():
        found += [PodLog(name, service, service.stat().st_mtime)]
    return found


def names_of_others(state: State, jobs: Iterable[JobTrace]) -> set[str]:
    """What else than Jobs has a log: models that serve, or have served, and services."""
    of_jobs = re.compile(rf"({'|'.join(re.escape(job.name) for job in jobs)})-\d+")
    names = {path.stem for path in (state.root / "logs").glob("*.log")}
    for log in _matching(state, ".*"):
        if not of_jobs.fullmatch(log.pod):
            predictor = _PREDICTOR.fullmatch(log.pod)
            names.add(predictor[1] if predictor else log.pod)
    return names


def have_ended(state: State, jobs: Iterable[JobTrace]) -> bool:
    """Whether none of these Jobs prints any more."""
    records = (state.read(f"jobs/{job.name}") for job in jobs)
    return all(record is None or record["phase"] in _DONE for record in records)


def _matching(state: State, pattern: str) -> list[PodLog]:
    wanted = re.compile(pattern)
    found = []
    places = [(path.parent.name, path) for path in state.root.glob("pods/*/log")]
    for path in (state.root / "logs" / "pods").glob("*.log"):
        kept = _KEPT.fullmatch(path.stem)
        places.append((kept[1] if kept else path.stem, path))
    for pod, path in places:
        if wanted.fullmatch(pod):
            try:
                found.append(PodLog(pod, path, path.stat().st_mtime))
            except FileNotFoundError:  # it is just being moved to where it is kept
                continue
    return sorted(found, key=lambda log: (log.written, log.pod))
