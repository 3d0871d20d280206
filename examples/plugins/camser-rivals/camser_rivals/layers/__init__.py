"""What several systems share, or what one of them is known for."""
