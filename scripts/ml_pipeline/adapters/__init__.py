"""One module for each thing outside: git, kustomize, MLflow, the disk, other programs."""
