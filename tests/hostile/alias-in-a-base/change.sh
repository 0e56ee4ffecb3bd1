# A kustomization that our reader and Kustomize's could read differently.
printf 'commonAnnotations: &a {x: y}\nlabels: [{pairs: *a}]\n' >> base/serving/kustomization.yaml
