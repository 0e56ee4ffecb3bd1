"""What commands, Python users and DAGs share."""
