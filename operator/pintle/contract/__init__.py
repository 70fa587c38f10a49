"""What the operator and the images agree on. Standard library only."""
