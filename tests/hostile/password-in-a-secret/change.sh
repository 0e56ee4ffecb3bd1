# A password that everybody can read in people's own place.
mkdir -p environments/staging/platform/team
cat > environments/staging/platform/team/login.yaml <<'EOF'
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData:
  password: hunter2
EOF
cat > environments/staging/platform/team/kustomization.yaml <<'EOF'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: staging-training
resources: [login.yaml]
EOF
ml-pipeline render >/dev/null || true
