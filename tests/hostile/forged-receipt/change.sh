# A receipt of a run that nobody trained.
sed 's/31a4e76e1a/31a4e76e1b/' experiments/good/runs/31a4e76e1a.yaml > experiments/good/runs/31a4e76e1b.yaml
