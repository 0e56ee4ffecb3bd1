# A third file in a rendered overlay, listed by nothing.
cat > "$(echo environments/local/training/waiting-ddd4bf48a3-*)/more.yaml" <<EOF
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
