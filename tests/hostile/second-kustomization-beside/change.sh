# A second kustomization beside the rendered one.
mkdir -p environments/staging/platform
cat > environments/staging/platform/kustomization.yml <<'EOF'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [cluster]
EOF
