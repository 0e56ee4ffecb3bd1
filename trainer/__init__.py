"""The program inside the Job: prepares data or trains a
model. It knows nothing of git or Kubernetes."""
