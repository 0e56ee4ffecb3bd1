# The same without a scheme, with a folder of that name to hide it.
mkdir -p base/training-job/github.com/team/base
cp base/serving/* base/training-job/github.com/team/base/
echo '- github.com/team/base' >> base/training-job/kustomization.yaml
ml-pipeline render >/dev/null || true
