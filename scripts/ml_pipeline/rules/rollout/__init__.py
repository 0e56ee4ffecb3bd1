"""How a rollout goes on: gates, latencies, decisions, steps."""
