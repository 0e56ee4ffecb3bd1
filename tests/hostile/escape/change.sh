# An escape sequence of a terminal, in a base.
printf '# \x1b[8m\n' >> base/serving/kustomization.yaml
