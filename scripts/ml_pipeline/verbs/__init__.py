"""One module for each command: plain arguments in, exit code out."""
