"""What a run is: its inputs and hashes, what is awaited, settled and served."""
