"""What a person can type: each command with its options, its call, its help and its answer."""
