# Two pull requests change the same line, and the marker of the conflict is committed.
sed -i 's/hidden: 64/hidden: 256/' experiments/waiting/experiment.yaml
ml-pipeline render
git add --all
git commit --quiet --message "Widen more"
git merge --quiet other >/dev/null || git commit --quiet --all --message "Merge"
