# A manifest among the overlays: Flux generates a root over every file.
cat > environments/staging/training/notes.yaml <<EOF
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
