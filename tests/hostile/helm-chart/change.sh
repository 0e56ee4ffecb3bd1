# A chart, which is fetched.
printf 'helmCharts:\n- {name: x, repo: https://example.com, version: 1.0.0}\n' >> base/serving/kustomization.yaml
