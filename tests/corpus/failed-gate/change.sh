# A promotion of a run that has failed its gate.
sed -i 's/^run: .*/run: weak\/e96261b1e3/' environments/local/promotions/digits.yaml
