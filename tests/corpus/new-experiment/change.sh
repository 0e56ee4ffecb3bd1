# Somebody adds an experiment on data that is prepared already.
mkdir experiments/wider
sed 's/name: waiting/name: wider/; s/hidden: 64/hidden: 128/' experiments/waiting/experiment.yaml > experiments/wider/experiment.yaml
ml-pipeline render
