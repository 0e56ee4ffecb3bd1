# A kustomization at the top of the path takes the place of the generated root: every overlay but one is pruned.
mkdir -p environments/local/training
cat > environments/local/training/kustomization.yaml <<'EOF'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [waiting-ddd4bf48a3]
EOF
