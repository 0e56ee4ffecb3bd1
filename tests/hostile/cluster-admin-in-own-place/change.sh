# A binding to cluster-admin in people's own place.
mkdir -p environments/staging/platform/team
cat > environments/staging/platform/team/binding.yaml <<'EOF'
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: admin}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: User, name: mallory}]
EOF
mkdir -p environments/staging/platform/team
cat > environments/staging/platform/team/kustomization.yaml <<'EOF'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [binding.yaml]
EOF
ml-pipeline render >/dev/null || true
