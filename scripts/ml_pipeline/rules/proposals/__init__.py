"""What a person's command commits: promotions and the way back."""
