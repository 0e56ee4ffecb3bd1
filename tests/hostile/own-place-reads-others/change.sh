# A generator that puts a file of another place into a Secret.
mkdir -p environments/staging/platform/team
cat > environments/staging/platform/team/kustomization.yaml <<'EOF'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
secretGenerator:
- {name: x, files: [../../environment.yaml]}
EOF
ml-pipeline render >/dev/null || true
