"""An AWS on this machine: moto's control plane, and executors that really run jobs and endpoints."""

from local_aws.activation import activate
from local_aws.client import LocalAws, ensure_started
from local_aws.config import LocalAwsError

__all__ = ["LocalAws", "LocalAwsError", "activate", "ensure_started"]
