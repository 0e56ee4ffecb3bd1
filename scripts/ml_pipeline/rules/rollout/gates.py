"""Whether a run may be promoted. A gate whose value is missing fails."""

from collections.abc import Mapping

from ml_pipeline.documents.experiment import Gates
from ml_pipeline.documents.receipts import GateResult

# The trainer measures these on held-out rows (trainer/evaluate.py).
QUALITY, LATENCY, MEMORY = "gate_accuracy", "gate_latency_p99_ms", "gate_memory_mb"


def judge(gates: Gates, metrics: Mapping[str, float], *, signature: bool) -> tuple[GateResult, ...]:
    """Results of all four gates from the metrics of a finished run."""
    quality, latency, memory = (metrics.get(name) for name in (QUALITY, LATENCY, MEMORY))
    return (
        GateResult(
            name="quality",
            passed=quality is not None and quality >= gates.min_accuracy,
            value=quality,
            limit=gates.min_accuracy,
        ),
        GateResult(
            name="latency",
            passed=latency is not None and latency <= gates.max_latency_p99_ms,
            value=latency,
            limit=gates.max_latency_p99_ms,
        ),
        GateResult(
            name="memory",
            passed=memory is not None and memory <= gates.max_memory_mb,
            value=memory,
            limit=gates.max_memory_mb,
        ),
        GateResult(name="signature", passed=signature),
    )


def failures(results: tuple[GateResult, ...]) -> list[str]:
    """Each failed gate in words; a run without results fails them all."""
    if not results:
        return ["no gate was measured"]
    return [_words(gate) for gate in results if not gate.passed]


def described(gate: GateResult) -> str:
    """One gate in words: whether it holds, what was measured and what was asked."""
    measured = ""
    if gate.value is not None and gate.limit is not None:
        measured = f" ({gate.value:g} against {gate.limit:g})"
    return f"{gate.name} {'holds' if gate.passed else 'fails'}{measured}"


def _words(gate: GateResult) -> str:
    if gate.name == "signature":
        return "signature: the model has none"
    if gate.value is None:
        return f"{gate.name}: was not measured"
    return f"{gate.name}: {gate.value:g} against {gate.limit:g}"
