# Several mistakes at once, each with its line.
sed -i 's/epochs: 30/epoch: 30/; s/memory: 2Gi/memory: 2G/' experiments/waiting/experiment.yaml
