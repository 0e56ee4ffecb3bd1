# A verdict that ends a rollout.
target=$(sed -n "s/.*ml-pipeline\/target: '\?\([0-9a-f]*\)'\?$/\1/p" environments/local/serving/digits/promotion/seldondeployment.yaml)
mkdir -p environments/local/verdicts/digits
cat > environments/local/verdicts/digits/$target.yaml <<EOF
apiVersion: ml-pipeline/v1
kind: Verdict
id: "$target"
model: digits
environment: local
outcome: finished
reason: because
run: better/c39d9a14b0
evidence: []
EOF
