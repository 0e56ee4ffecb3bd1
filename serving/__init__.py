"""The program inside a predictor: checks the bytes of the model, then hands over to MLServer."""
