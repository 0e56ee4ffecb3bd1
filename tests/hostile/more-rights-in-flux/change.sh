# Rights that bootstrap would apply, in a folder that nothing renders.
mkdir -p environments/staging/flux/admin
cat > environments/staging/flux/admin/kustomization.yaml <<'EOF'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [binding.yaml]
EOF
mkdir -p environments/staging/flux/admin
cat > environments/staging/flux/admin/binding.yaml <<'EOF'
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: admin}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: User, name: mallory}]
EOF
