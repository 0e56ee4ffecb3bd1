# Other data in a receipt.
sed -i 's/max: 16.0/max: 17.0/' experiments/better/data/f68dcca25a.yaml
