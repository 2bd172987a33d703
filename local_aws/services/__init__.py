"""One folder or module a service: what moto lacks or only pretends."""
