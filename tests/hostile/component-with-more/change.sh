# Automation's component with a resource of its own.
cat > environments/local/rollouts/digits/job.yaml <<EOF
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
printf 'resources:\n- job.yaml\n' >> environments/local/rollouts/digits/kustomization.yaml
