"""The kinds of document that people and machines write, and nothing that acts on them."""
