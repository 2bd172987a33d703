"""The server process: moto's control plane and our executors behind one address."""
