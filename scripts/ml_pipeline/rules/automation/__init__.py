"""From results to commits."""
