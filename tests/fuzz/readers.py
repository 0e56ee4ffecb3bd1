"""Every reader of text from outside, each with seeds and with adversarial files of 10 MB.

`python -m tests.fuzz.readers fuzz SECONDS SEED` mutates the seeds in turn, `... large` reads the large files; both print JSON.
What a reader may raise is PipelineError; whatever else it raises is a crash, which is printed with the bytes.
"""

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml
from ml_pipeline.adapters import github, metrics
from ml_pipeline.adapters.git.repository import Repository
from ml_pipeline.documents.edit import Setting, edited
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.nodes import load_plain
from ml_pipeline.documents.reader import read
from ml_pipeline.documents.results import (
    PreparationResult,
    TrainingResult,
    read_result,
    read_termination_message,
)
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.documents.source import Source, parse
from ml_pipeline.rules.kustomize.bounds import bounds_faults
from ml_pipeline.rules.kustomize.build import Builder
from ml_pipeline.rules.kustomize.kustomizations import is_kustomization, reachable_faults, unit_of
from ml_pipeline.rules.kustomize.objects import parse_objects
from ml_pipeline.rules.review.policies import policies_of

from tests.conftest import REPOSITORY
from tests.support.many import rendered, valid_tree
from tests.support.simulate import finished
from tests.unit.documents.test_fuzz import mutated

MIB = 2**20
LARGE = 10 * MIB


@dataclass(frozen=True)
class Reader:
    """Something that reads bytes; seeds by a name that it may use."""

    read: Callable[[str, bytes], object]
    seeds: dict[str, bytes]


def readers() -> dict[str, Reader]:
    """All of them by name."""
    files = rendered(valid_tree())
    named = set().union(*Snapshot(files).paths.values())
    documents = {path: raw for path, raw in files.items() if path in named}
    corpora = [
        *REPOSITORY.glob("tests/fixtures/invalid/*"),
        *REPOSITORY.glob("tests/corpus/*/*.yaml"),
    ]
    documents |= {
        f"experiments/x/{i}/experiment.yaml": p.read_bytes() for i, p in enumerate(corpora)
    }
    builds = {path: raw for path, raw in files.items() if unit_of(files, path)}
    policies = {p: raw for p, raw in files.items() if p.startswith("base/platform/policies/")}
    kustomizations = {path: raw for path, raw in builds.items() if is_kustomization(path)}
    return {
        "documents": Reader(read, documents),
        "edits": Reader(
            _edit, {p: r for p, r in documents.items() if p.endswith("experiment.yaml")}
        ),
        "objects": Reader(_objects, files),
        "kustomizations": Reader(lambda path, raw: _build(files, path, raw), kustomizations),
        "patches": Reader(
            lambda path, raw: _build(files, path, raw),
            {path: raw for path, raw in builds.items() if path not in kustomizations},
        ),
        "policies": Reader(lambda path, raw: _policies(files, path, raw), policies),
        "receipts": Reader(_receipt, _receipts()),
        "statistics": Reader(
            lambda _, raw: metrics.parse(raw.decode(errors="replace")), _statistics()
        ),
        "pull requests": Reader(_pull_requests, _pages()),
        "git": Reader(_history, _commits()),
    }


def _edit(path: str, raw: bytes) -> None:
    if isinstance(parse(path, raw), Source):
        edited(path, raw, Setting.parsed("parameters.epochs=5"))


def _objects(_path: str, raw: bytes) -> None:
    for reader in (parse_objects, lambda raw: parse_objects(raw, exact=False), load_plain):
        try:
            reader(raw)
        except (PipelineError, yaml.YAMLError):
            continue


def _build(files: dict[str, bytes], path: str, raw: bytes) -> None:
    changed = {**files, path: raw}
    unit = unit_of(changed, path)
    if unit is None:
        return
    if unit not in changed:
        reachable_faults(changed, unit, ("base/", "environments/"))
    bounds_faults(changed, unit)
    Builder(changed).build(unit)


def _policies(files: dict[str, bytes], path: str, raw: bytes) -> None:
    policies_of(Snapshot({**files, path: raw}), Snapshot(files).environments["staging"])


def _receipt(_path: str, raw: bytes) -> None:
    read_termination_message(raw.decode(errors="replace"))
    for kind in (TrainingResult, PreparationResult):
        said = read_result(kind, finished(raw))
        assert not isinstance(said, str) or len(said.splitlines()) == 1


def _pull_requests(_path: str, raw: bytes) -> None:
    for shape in (github._PULL, github._COMMENTS):
        try:
            github.answered(shape, raw, "/pulls/1")
        except PipelineError:
            continue


def _history(_path: str, raw: bytes) -> None:
    """A commit whose author, subject and path hold these bytes, as far as git takes them."""
    name, subject, path = [*raw.split(b"|", 2), b"", b""][:3]
    clean = bytes(c for c in name if c not in b"\n<>\0").strip() or b"a"
    place = path.replace(b"\0", b"").strip(b"/") or b"f"
    place = b"/".join(p for p in place.split(b"/") if p not in (b"", b".", b"..", b".git")) or b"f"
    quoted = (
        b'"' + place.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'
    )
    text = subject.replace(b"\0", b"")
    stream = b"commit refs/heads/main\ncommitter %b <a@b> 1767225600 +0000\ndata %d\n%b\nM 100644 inline %b\ndata 2\nx\n\n"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
        done = subprocess.run(
            ["git", "-C", folder, "fast-import", "--quiet"],
            input=stream % (clean, len(text), text, quoted),
            capture_output=True,
            check=False,
        )
        if done.returncode:
            return
        repository = Repository(Path(folder))
        (where,) = repository.listing("main", ())
        assert len(repository.log([], "main")) == 1
        if where[0] not in ":*?[":  # magic of git's own
            assert [v.body for v in repository.versions(where, "main")] == [b"x\n"]
            assert list(repository.last_changes("main", ["."])) == [where]
        assert repository.read("main", ["."]) == {where: b"x\n"}


def _receipts() -> dict[str, bytes]:
    training = {
        "metrics": {"accuracy": 0.97},
        "signature": {"inputs": "float32 [-1, 64]", "outputs": "float32 [-1, 10]"},
        "artifact": {"uri": "1/models/m-1/artifacts", "sha256": "a" * 64, "bytes": 5},
        "started": "2026-01-31T12:00:00Z",
        "duration_s": 3.5,
        "peak_memory_mb": 300.0,
    }
    column = {"name": "x", "dtype": "float32", "min": 0, "max": 1, "mean": 0.5, "std": 0.1}
    data = {"uri": "data/1", "sha256": "b" * 64, "bytes": 9}
    prepared = {
        "data": data,
        "rows": 9,
        "holdout_rows": 1,
        "shape": [3],
        "classes": 2,
        "columns": [column],
    }
    return {name: json.dumps(body).encode() for name, body in (("t", training), ("p", prepared))}


def _statistics() -> dict[str, bytes]:
    labels = 'predictor="a",code="200",flags="-"'
    page = f"""envoy_http_downstream_rq_completed{{x="y"}} 12
envoy_answers_requests{{{labels}}} 9
envoy_answers_requests{{{labels.replace("200", "503")}}} 3
envoy_answers_milliseconds_bucket{{predictor="a",le="0.5"}} 4
envoy_answers_milliseconds_bucket{{predictor="a",le="+Inf"}} 9
"""
    return {"page": page.encode()}


def _pages() -> dict[str, bytes]:
    pulls = [{"number": 7, "head": {"sha": "a" * 40, "ref": "x"}, "title": "t"}]
    comments = [{"id": 3, "user": {"type": "Bot", "login": "b"}, "body": "hello"}]
    comments.append({"id": 4, "user": None, "body": None})
    return {"pulls": json.dumps(pulls).encode(), "comments": json.dumps(comments).encode()}


def _commits() -> dict[str, bytes]:
    return {
        "a line break first": b"Ada|Add|\n\xa8",
        "plain": b"Ada|Add an experiment|experiments/a/experiment.yaml",
        "controls": b'a\x1fb|s\x0bx\x1f\x1e\xff\x85 \xe2\x80\xa8|a b/\x01\n"\\ :',
        "long": b"x" * 300 + b"|" + b"y" * 5000 + b"|" + b"z" * 200 + b"/" + b"w" * 250,
    }


def _filled(piece: bytes) -> bytes:
    return piece * (LARGE // len(piece))


LARGE_FILES = {
    "brackets": lambda: b"[" * LARGE,
    "brackets in comments": lambda: _filled(b"[ #]\n"),
    "brackets in texts": lambda: _filled(b'["]",'),
    "dashes": lambda: _filled(b"- "),
    "keys": lambda: b"".join(b"k%d: v\n" % n for n in range(LARGE // 12)),
    "one line": lambda: b"a: " + b"x" * LARGE,
    "digits": lambda: b"a: " + b"9" * LARGE,
    "colons": lambda: _filled(b"a:b://"),
    "objects in JSON": lambda: _filled(b'{"a":'),
    "numbers in JSON": lambda: b"[" + _filled(b"1,") + b"1]",
    "statistics": lambda: _filled(
        b'envoy_answers_requests{predictor="a",code="200",flags="-"} 1\n'
    ),
    "open labels": lambda: _filled(b"envoy_a{"),
    "words": lambda: b"envoy_" + b"a" * LARGE,
    "quotes": lambda: _filled(b'envoy_a{a="b} 1 '),
    "separators": lambda: _filled(b"\x1f\x1e|"),
    "not text": lambda: b"\xff" * LARGE,
}

# What is small enough to be read, and wrong in every item.
CROWDED = {
    "columns": ("receipts", lambda: b'{"columns":[' + b"1," * 520_000 + b"1]}"),
    "shape": ("receipts", lambda: b'{"shape":[' + b'"",' * 340_000 + b"1]}"),
    "pulls": ("pull requests", lambda: b"[" + b"1," * 4_100_000 + b"1]"),
    "options": ("documents", lambda: b"options: [" + b"1," * 130_000 + b"1]"),
    "unknown keys": ("documents", lambda: b"".join(b"k%d: \n" % n for n in range(26_000))),
    "comments": ("documents", lambda: b"[ #]\n" * 40_000),
    "texts": ("objects", lambda: b'["]",' * 40_000),
}


def peak() -> int:
    """Most memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def attempt(reader: Reader, name: str, raw: bytes) -> str | None:
    """Read once; what went wrong, None where it was the documented error or nothing."""
    try:
        reader.read(name, raw)
    except PipelineError as error:
        # One line a fault, and none that a stranger's bytes have made endless.
        if max(map(len, str(error).splitlines() or [""])) > 4000:
            return f"a line of {len(str(error))} characters"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]
    return None


def fuzz(seconds: float, seed: int) -> dict[str, object]:
    """Mutations of every reader's seeds, the same time for each."""
    numbers, found, crashes = random.Random(seed), {}, []
    everything = readers()
    others = [raw for reader in everything.values() for raw in reader.seeds.values()]
    for name, reader in everything.items():
        for seed_name, raw in reader.seeds.items():  # whatever a reader keeps, it has kept then
            attempt(reader, seed_name, raw)
        before, runs, slowest = peak(), 0, 0.0
        end = time.monotonic() + seconds / len(everything)
        while time.monotonic() < end:
            seed_name = numbers.choice(list(reader.seeds))
            raw = mutated(numbers, reader.seeds[seed_name], others)
            began = time.process_time()
            said = attempt(reader, seed_name, raw)
            slowest = max(slowest, time.process_time() - began)
            runs += 1
            if said:
                crashes.append(
                    {"reader": name, "said": said, "at": seed_name, "raw": repr(raw)[:3000]}
                )
        grown = round((peak() - before) / MIB, 1)
        found[name] = {"executions": runs, "grown MiB": grown, "slowest s": round(slowest, 3)}
    return {"readers": found, "crashes": crashes[:20], "crashed": len(crashes)}


def large(name: str, file: str) -> dict[str, object]:
    """One reader on one file of 10 MB."""
    make = CROWDED[file][1] if file in CROWDED else LARGE_FILES[file]
    reader, raw = readers()[name], make()
    seed_name = next(iter(reader.seeds))
    attempt(reader, seed_name, reader.seeds[seed_name])
    before, began = peak(), time.process_time()
    said = attempt(reader, seed_name, raw)
    seconds = time.process_time() - began
    return {
        "seconds": round(seconds, 3),
        "grown MiB": round((peak() - before) / MIB, 1),
        "said": said,
    }


def child(*arguments: str) -> dict[str, object]:
    """The answer of this module as a process of its own, whose memory tells of nothing else."""
    command = [sys.executable, "-m", "tests.fuzz.readers", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"ended with {done.returncode}: {done.stderr[-2000:]}")
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer


def bench() -> None:
    """Every reader on every large file, a line each, the worst last."""
    rows = [
        (answer["seconds"], answer["grown MiB"], name, file, answer["said"])
        for name in readers()
        for file in LARGE_FILES
        for answer in [child("large", name, file)]
    ]
    for file, (name, _) in CROWDED.items():
        answer = child("large", name, file)
        rows.append((answer["seconds"], answer["grown MiB"], name, file, answer["said"]))
    for row in sorted(rows, key=str):
        print(*row)
    print(
        f"{len(rows)} runs, {max(r[0] for r in rows)} s and {max(r[1] for r in rows)} MiB at most"
    )


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ.setdefault("GIT_CONFIG_GLOBAL", "/dev/null")
    match sys.argv[1:]:
        case ["fuzz", seconds, seed]:
            print(json.dumps(fuzz(float(seconds), int(seed))))
        case ["large", name, file]:
            print(json.dumps(large(name, file)))
        case _:
            bench()
