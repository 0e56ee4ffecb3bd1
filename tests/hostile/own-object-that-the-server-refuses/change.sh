# A name, a label and a field that the API server refuses: nothing of the place would be applied any more.
mkdir -p environments/staging/platform/team
cat > environments/staging/platform/team/quota.yaml <<'EOF'
apiVersion: v1
kind: ResourceQuota
metadata:
  name: More_Pods
  labels:
    owner: the vision team
spec:
  hrd: {pods: 1}
EOF
cat > environments/staging/platform/team/kustomization.yaml <<'EOF'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: staging-training
resources: [quota.yaml]
EOF
ml-pipeline render >/dev/null || true
