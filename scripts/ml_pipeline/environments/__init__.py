"""Where manifests are applied, and what can be seen there."""
