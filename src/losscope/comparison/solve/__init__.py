"""The weights of a linear model that minimise a loss: exactly, or as near as is said."""
