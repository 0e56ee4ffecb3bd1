"""From overlays to objects: which files Kustomize reads, and its build in this process."""
