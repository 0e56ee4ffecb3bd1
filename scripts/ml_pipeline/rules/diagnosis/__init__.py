"""What Kubernetes and Flux say, in one line with the repair."""
