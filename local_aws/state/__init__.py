"""What is acknowledged stays: the state of moto's backends on disk."""
