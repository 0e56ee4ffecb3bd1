sed -i 's/min_requests: 500/min_requests: 5/' environments/local/promotions/digits.yaml
ml-pipeline render
