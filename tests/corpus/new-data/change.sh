# The first experiment on other data: it is prepared first.
mkdir experiments/wine
sed 's/name: waiting/name: wine/; s/name: digits/name: wine/; s/bundled:..digits/bundled:\/\/wine/' experiments/waiting/experiment.yaml > experiments/wine/experiment.yaml
ml-pipeline render
