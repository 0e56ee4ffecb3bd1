# A schema that changes how patches merge.
printf 'openapi: {path: ../../../../etc/schema.json}\n' >> base/serving/kustomization.yaml
