"""What a cluster shows: to `reconcile`, to `status`, to `logs`."""
