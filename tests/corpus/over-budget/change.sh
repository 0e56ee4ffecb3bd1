# A long run on a budget that is almost spent.
mkdir experiments/long
sed 's/name: waiting/name: long/; s/bundled:..digits/bundled:\/\/wine/; s/max_duration: 15m, max_cost: 0.05/max_duration: 60d, max_cost: 500/' experiments/waiting/experiment.yaml > experiments/long/experiment.yaml
ml-pipeline render
