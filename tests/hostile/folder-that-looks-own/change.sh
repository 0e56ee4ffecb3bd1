# A folder of platform/ that is not one of people's own places.
mkdir -p environments/staging/platform/monitoring
cat > environments/staging/platform/monitoring/kustomization.yaml <<'EOF'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [job.yaml]
EOF
cat > environments/staging/platform/monitoring/job.yaml <<EOF
apiVersion: batch/v1
kind: Job
metadata: {name: miner, namespace: staging-training}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: miner, image: docker.io/library/miner}
EOF
