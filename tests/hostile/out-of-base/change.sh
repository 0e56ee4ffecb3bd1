# A base that builds on an environment.
echo '- ../../environments/staging/platform' >> base/training-job/kustomization.yaml
ml-pipeline render >/dev/null || true
