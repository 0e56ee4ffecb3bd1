# A step that no measurement stands behind, written as automation writes it.
target=$(sed -n "s/.*ml-pipeline\/target: '\?\([0-9a-f]*\)'\?$/\1/p" environments/local/serving/digits/promotion/seldondeployment.yaml)
cat > environments/local/rollouts/digits/kustomization.yaml <<EOF
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
labels:
- pairs:
    ml-pipeline/model: digits
patches:
- path: $target.yaml
  target:
    kind: SeldonDeployment
    annotationSelector: ml-pipeline/target=$target
EOF
cat > environments/local/rollouts/digits/$target.yaml <<EOF
- op: replace
  path: /spec/predictors/0/traffic
  value: 1
- op: replace
  path: /spec/predictors/1/traffic
  value: 99
EOF
