# A base of another repository.
echo '- https://example.com/team/base?ref=main' >> base/training-job/kustomization.yaml
ml-pipeline render >/dev/null || true
