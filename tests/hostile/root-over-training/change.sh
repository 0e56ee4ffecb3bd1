# A kustomization at the top of the path takes the place of the generated root: every overlay but one is pruned.
cd environments/local/training
cat > kustomization.yaml <<KUSTOMIZATION
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [$(echo waiting-ddd4bf48a3-*)]
KUSTOMIZATION
