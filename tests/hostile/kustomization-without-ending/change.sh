# The third name.
mkdir -p environments/staging/training/extra
cat > environments/staging/training/extra/Kustomization <<'EOF'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [job.txt]
EOF
cat > environments/staging/training/extra/job.txt <<EOF
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
