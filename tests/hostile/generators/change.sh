# A field that runs generators of its own.
mkdir -p environments/staging/platform/team
cat > environments/staging/platform/team/kustomization.yaml <<'EOF'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
generators:
- |-
  apiVersion: builtin
  kind: ConfigMapGenerator
  metadata: {name: x}
  files: [/etc/hostname]
EOF
ml-pipeline render >/dev/null || true
