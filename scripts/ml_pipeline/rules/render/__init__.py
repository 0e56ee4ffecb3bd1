"""From documents to overlays: training, serving, platform, flux."""
