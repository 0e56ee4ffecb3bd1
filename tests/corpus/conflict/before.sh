git checkout --quiet -b other
sed -i 's/hidden: 64/hidden: 128/' experiments/waiting/experiment.yaml
ml-pipeline render
git add --all
git commit --quiet --message "Widen"
git checkout --quiet main
