"""Data in -> models trained under several losses -> comparison out."""
