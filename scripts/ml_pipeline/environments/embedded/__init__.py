"""The embedded environment: the rendered manifests as processes of one machine."""
