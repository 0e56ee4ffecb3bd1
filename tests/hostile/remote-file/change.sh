# A manifest from a web server.
echo '- https://example.com/job.yaml' >> base/serving/kustomization.yaml
ml-pipeline render >/dev/null || true
