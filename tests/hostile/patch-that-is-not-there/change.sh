# A patch that a later commit can bring.
printf 'patches:\n- path: later.yaml\n' >> base/serving/kustomization.yaml
