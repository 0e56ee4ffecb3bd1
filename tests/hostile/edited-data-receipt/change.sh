# Other data in a receipt.
sed -i 's/max: 16.0/max: 17.0/' experiments/better/data/216b187a78.yaml
