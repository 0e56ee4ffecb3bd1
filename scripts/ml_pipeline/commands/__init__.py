"""What a person can type: one module for each group of commands, each command with its options, its call and its help."""
