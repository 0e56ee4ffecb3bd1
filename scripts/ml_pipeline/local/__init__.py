"""The embedded environment: the rendered manifests applied to processes of one machine, nothing else."""
