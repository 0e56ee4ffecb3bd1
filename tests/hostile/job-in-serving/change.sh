# A manifest where models are served.
cat > environments/staging/serving/notes.yaml <<EOF
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
