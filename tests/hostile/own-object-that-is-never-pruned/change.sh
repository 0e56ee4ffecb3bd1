# An annotation that has Flux leave the object for ever.
mkdir -p environments/staging/platform/team
cat > environments/staging/platform/team/quota.yaml <<'EOF'
apiVersion: v1
kind: ResourceQuota
metadata: {name: more, annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}}
spec: {hard: {pods: 1}}
EOF
mkdir -p environments/staging/platform/team
cat > environments/staging/platform/team/kustomization.yaml <<'EOF'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: staging-training
resources: [quota.yaml]
EOF
ml-pipeline render >/dev/null || true
