# A Secret that has the cluster make a token of an account.
mkdir -p environments/staging/platform/team
cat > environments/staging/platform/team/token.yaml <<'EOF'
apiVersion: v1
kind: Secret
metadata: {name: token, annotations: {kubernetes.io/service-account.name: trainer}}
type: kubernetes.io/service-account-token
EOF
mkdir -p environments/staging/platform/team
cat > environments/staging/platform/team/kustomization.yaml <<'EOF'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: staging-training
resources: [token.yaml]
EOF
ml-pipeline render >/dev/null || true
