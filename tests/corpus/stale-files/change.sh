# An edited experiment, without `ml-pipeline render`.
sed -i 's/memory: 2Gi/memory: 3Gi/' experiments/waiting/experiment.yaml
