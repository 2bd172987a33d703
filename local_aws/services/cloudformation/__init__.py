"""CloudFormation: an engine of its own behind moto's routing."""
