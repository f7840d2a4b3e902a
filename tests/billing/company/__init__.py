"""Company payments."""
