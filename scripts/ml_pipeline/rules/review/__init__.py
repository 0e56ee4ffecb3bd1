"""What is said before a merge: faults, policies, consequences, differences, the comment."""
