"""Mutated files: whatever a commit holds, the answer is the documented error and no other exception.

FUZZ_SECONDS sets how long, SEED where it begins; a failure prints both path and bytes.
"""

import os
import random
import time

import pytest
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.documents.reader import read
from ml_pipeline.documents.snapshot import Snapshot
from ml_pipeline.rules.kustomize.build import Builder
from ml_pipeline.rules.kustomize.kustomizations import unit_of
from ml_pipeline.rules.kustomize.objects import parse_objects
from ml_pipeline.rules.money.budgets import months
from ml_pipeline.rules.money.estimates import History
from ml_pipeline.rules.render.drift import drift
from ml_pipeline.rules.review.consequences import consequences
from ml_pipeline.rules.review.faults import refuse_faults
from ml_pipeline.rules.review.policies import policies_of
from ml_pipeline.rules.review.traffic import gate_lines

from tests.support.many import rendered, valid_tree

SECONDS, SEED = float(os.environ.get("FUZZ_SECONDS", "4")), int(os.environ.get("SEED", "0"))
TOKENS = [
    *(
        b"{} [] {a: [} : - -- --- ... ? | > |- >+9 & &a *a ! !!str !!binary !!python/object:os.system << <<: # % @ `".split()
    ),
    *(
        b'null ~ true yes on 0 -0 1e999 -1 0x1 010 .inf .nan 99999999999999999999 1_000 2026-01-01 12:30:45 \'\' "" "\\x00" \\'.split()
    ),
    *(
        b"apiVersion kind name metadata spec path value op target patch resources components patches namespace run baseline".split()
    ),
    *(
        b"../../.. . / a/b $(x) ; <<<<<<< >>>>>>> \xff \xfe\xff \xc0\x80 \x00 \xef\xbb\xbf \xe2\x80\xa8 \xf0\x9f\x98\x80 \t \r\n \n".split(
            b" "
        )
    ),
]


def mutated(numbers: random.Random, raw: bytes, others: list[bytes]) -> bytes:
    """One to four random changes: of bytes, of lines, of tokens, of indentation, or a piece of another file."""
    for _ in range(numbers.randint(1, 4)):
        kind, lines = numbers.randrange(8), raw.splitlines(keepends=True) or [b"\n"]
        at, line = numbers.randrange(len(raw) + 1), numbers.randrange(len(lines))
        if kind == 0:
            raw = raw[:at] + numbers.choice(TOKENS) + raw[at:]
        elif kind == 1:
            raw = raw[:at] + raw[at + numbers.randint(1, 9) :]
        elif kind == 2:
            raw = b"".join(lines[:line] + lines[line + 1 :])
        elif kind == 3:
            raw = b"".join([*lines, lines[line]][: len(lines) + 1])
        elif kind == 4:
            raw = b"".join(
                [
                    *lines[:line],
                    b"  " * numbers.randint(0, 3) + lines[line].lstrip(),
                    *lines[line + 1 :],
                ]
            )
        elif kind == 5:
            key, colon, _ = lines[line].partition(b": ")
            raw = b"".join(
                [
                    *lines[:line],
                    key + (colon or b": ") + numbers.choice(TOKENS) + b"\n",
                    *lines[line + 1 :],
                ]
            )
        elif kind == 6:
            other = numbers.choice(others)
            start = numbers.randrange(len(other) + 1)
            raw = raw[:at] + other[start : start + numbers.randint(1, 200)] + raw[at:]
        else:
            raw = (
                raw[:at]
                + bytes(numbers.randrange(256) for _ in range(numbers.randint(1, 4)))
                + raw[at + 1 :]
            )
    return raw


def documented(what, path: str, raw: bytes) -> bool:
    """Run something; whether it took the bytes. Any exception but the documented one fails the test."""
    try:
        what()
    except PipelineError:
        return False
    except BaseException as error:
        raise AssertionError(f"{type(error).__name__}: {error}; {path} with {raw!r}") from error
    return True


def whole_answer(before: Snapshot, files, path: str) -> None:
    """Everything that a review does, on a tree in which one file was mutated."""
    after = Snapshot(files)
    documented(lambda: consequences(before, after, {path}), path, files[path])
    folder = unit_of(files, path)
    if folder:
        documented(lambda: Builder(files).build(folder), path, files[path])
    refuse_faults(after)
    drift(after)
    for environment in after.environments.values():
        policies_of(after, environment)
    months(after, History(after), "2026-01")
    gate_lines(after, {path})


def test_loaders_know_one_error(capsys):
    numbers, files = random.Random(SEED), rendered(valid_tree())
    documents = [path for paths in Snapshot(files).paths.values() for path in paths]
    others = list(files.values())
    end, runs, taken = time.monotonic() + SECONDS / 2, 0, 0
    while time.monotonic() < end:
        path = numbers.choice(documents)
        raw = mutated(numbers, files[path], others)
        taken += documented(lambda path=path, raw=raw: read(path, raw), path, raw)
        documented(lambda raw=raw: parse_objects(raw), path, raw)
        runs += 1
    with capsys.disabled():
        print(f"\n{runs} mutated documents read, seed {SEED}", end=" ")
    assert taken


def test_whole_answer_knows_one_error(capsys):
    numbers, files = random.Random(SEED), rendered(valid_tree())
    before, paths, others = Snapshot(files), sorted(files), list(files.values())
    end, runs, taken = time.monotonic() + SECONDS / 2, 0, 0
    while time.monotonic() < end:
        path = numbers.choice(paths)
        changed = {**files, path: mutated(numbers, files[path], others)}
        taken += documented(
            lambda changed=changed, path=path: whole_answer(before, changed, path),
            path,
            changed[path],
        )
        runs += 1
    with capsys.disabled():
        print(
            f"\n{runs} trees with a mutated file, {taken} of them still valid, seed {SEED}", end=" "
        )
    assert taken


@pytest.mark.parametrize(
    "path",
    [
        "experiments/a/experiment.yaml",
        "environments/local/environment.yaml",
        "environments/local/promotions/m.yaml",
    ],
)
@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000,
        b"{a: " * 50_000,
        b"- " * 100_000,
        b"a: &a [*a]\n",
        b"? " * 5000,
        b"'" + b"x" * 200_000,
    ],
)
def test_deep_and_endless_files_are_faults(path, raw):
    assert isinstance(read(path, raw), list)
