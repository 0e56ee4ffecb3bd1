# The same, three folders down.
mkdir -p environments/staging/training/a/b/c
cat > environments/staging/training/a/b/c/notes.yml <<EOF
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
