# One more line in a rendered kustomization.
cat > environments/staging/platform/more.yaml <<EOF
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
sed -i 's/^resources:/resources:\n- more.yaml/' environments/staging/platform/kustomization.yaml
