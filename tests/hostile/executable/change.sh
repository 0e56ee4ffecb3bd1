# A file that can be run.
chmod +x experiments/waiting/experiment.yaml
