# The same run under another name has a receipt already.
mkdir experiments/again
sed 's/name: good/name: again/' experiments/good/experiment.yaml > experiments/again/experiment.yaml
ml-pipeline render
