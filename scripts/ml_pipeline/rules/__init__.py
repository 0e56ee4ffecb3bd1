"""Pure decisions: documents and observations in, faults, files and verdicts out; no input or output of its own."""
