"""What things cost: prices, estimates, budgets."""
