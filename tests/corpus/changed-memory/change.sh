# More memory is another Job for the same run: it goes on from its checkpoint.
sed -i 's/memory: 2Gi/memory: 3Gi/' experiments/waiting/experiment.yaml
ml-pipeline render
