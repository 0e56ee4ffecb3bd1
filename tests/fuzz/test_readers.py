"""Whatever stands in a file or an answer, a reader gives its one documented error, within memory that is bounded.

FUZZ_SECONDS says how long all readers together are tried, SEED where the mutations begin.
"""

import os

import pytest

from tests.fuzz.readers import CROWDED, LARGE_FILES, MIB, attempt, child, readers

SECONDS, SEED = os.environ.get("FUZZ_SECONDS", "10"), os.environ.get("SEED", "0")
MOST_MIB = 256
# By reader, the file of 10 MB that takes it longest; `python -m tests.fuzz.readers` tries every pair and prints seconds.
WORST = {
    "documents": "brackets",
    "edits": "keys",
    "objects": "brackets in texts",
    "kustomizations": "brackets in comments",
    "patches": "dashes",
    "policies": "keys",
    "receipts": "numbers in JSON",
    "statistics": "open labels",
    "pull requests": "numbers in JSON",
    "git": "separators",
}


def test_mutated_bytes_give_the_documented_error(capsys):
    told = child("fuzz", SECONDS, SEED)
    with capsys.disabled():
        print(
            f"\nseed {SEED}:",
            *(f"{name} {told}" for name, told in told["readers"].items()),
            sep="\n",
        )
    assert told["crashes"] == []
    for name, reader in told["readers"].items():
        assert reader["executions"], name
        assert reader["grown MiB"] <= MOST_MIB, name


@pytest.mark.parametrize("name", WORST)
def test_a_file_of_ten_megabytes_takes_bounded_memory(name):
    told = child("large", name, WORST[name])
    assert told["said"] is None
    assert told["grown MiB"] <= MOST_MIB


@pytest.mark.parametrize("file", CROWDED)
def test_a_list_that_is_wrong_throughout_takes_bounded_memory(file):
    told = child("large", CROWDED[file][0], file)
    assert told["said"] is None
    assert told["grown MiB"] <= MOST_MIB


def test_every_reader_has_seeds_that_it_takes():
    everything = readers()
    assert everything.keys() == WORST.keys()
    assert set(WORST.values()) <= LARGE_FILES.keys()
    for name, reader in everything.items():
        told = [attempt(reader, seed, raw) for seed, raw in reader.seeds.items()]
        assert told == [None] * len(told), name


def test_large_files_are_as_large_as_they_say():
    assert all(9 * MIB <= len(make()) <= 12 * MIB for make in LARGE_FILES.values())
