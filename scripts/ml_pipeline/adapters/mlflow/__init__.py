"""MLflow: results of runs, and the registry that mirrors git."""
