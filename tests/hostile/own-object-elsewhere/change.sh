# A network policy in the namespace of the cluster itself.
mkdir -p environments/staging/platform/team
cat > environments/staging/platform/team/open.yaml <<'EOF'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: open, namespace: kube-system}
spec: {podSelector: {}, egress: [{}]}
EOF
mkdir -p environments/staging/platform/team
cat > environments/staging/platform/team/kustomization.yaml <<'EOF'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [open.yaml]
EOF
ml-pipeline render >/dev/null || true
