"""A SageMaker for this machine: moto as control plane, real processes as executors."""
