# Another seed is another run: the old one is cancelled.
sed -i 's/seed: 7/seed: 8/' experiments/waiting/experiment.yaml
ml-pipeline render
