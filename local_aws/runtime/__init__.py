"""What runs a container's command without a container engine."""
