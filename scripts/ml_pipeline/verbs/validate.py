"""`ml-pipeline validate`: every fault of every document, one line each."""

from pathlib import Path

from ml_pipeline.adapters.files import read_tree
from ml_pipeline.rules.checks import checked
from ml_pipeline.verbs import console


def validate(repo: Path, *, output: str = "text") -> int:
    """Check the working tree."""
    snapshot = checked(read_tree(repo))
    counts = {
        "experiments": len(snapshot.experiments),
        "runs": len(snapshot.runs),
        "data": len(snapshot.data),
        "promotions": len(snapshot.promotions),
        "environments": len(snapshot.environments),
    }
    console.answer(counts, "valid: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()), output)
    return console.OK
