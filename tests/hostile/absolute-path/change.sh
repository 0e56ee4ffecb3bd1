# An absolute path.
echo '- /etc/hostname' >> base/training-job/kustomization.yaml
ml-pipeline render >/dev/null || true
