"""Drives one handler after the other as the engine does, without a template."""

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from local_aws.services.cloudformation import schema
from local_aws.services.cloudformation.resources import find
from local_aws.services.cloudformation.resources.base import Context, ResourceError


class Resource:
    """A made resource: `ref` and `att` are what `Ref` and `Fn::GetAtt` give."""

    def __init__(self, stack, handler, logical_id, properties, ref, att):
        self.stack, self.handler, self.logical_id, self.properties = stack, handler, logical_id, properties
        self.ref, self.att = ref, att

    def __getitem__(self, name):
        assert self.handler.has_attribute(name), f"{self.handler.type} has no attribute {name}"
        return self.att[name]

    def update(self, **changes):
        """Change properties (None: remove) in place."""
        new = {**self.properties, **changes}
        new = self.stack.checked(self.handler, {k: v for k, v in new.items() if v is not None})
        assert self.handler.replacing(self.properties, new) == set()
        self.att = self.handler.update(self.stack.context(self.logical_id), self.ref, self.properties, new)
        self.properties = new

    def replaced_by(self, **changes):
        """Names of the properties whose change needs a replacement."""
        return self.handler.replacing(self.properties, {**self.properties, **changes})

    def delete(self):
        self.handler.delete(self.stack.context(self.logical_id), self.ref, self.properties)


class Stack:
    def __init__(self, server, name="lab", account="123456789012", region="us-east-1", tags=None):
        self.app = SimpleNamespace(endpoint_url=server.endpoint_url)
        self.where = {"account_id": account, "region": region, "stack_name": name}
        self.where["stack_id"] = f"arn:aws:cloudformation:{region}:{account}:stack/{name}/1"
        self.tags = tags
        self.resources = []

    def context(self, logical_id):
        return Context(self.app, logical_id=logical_id, tags=self.tags, **self.where)

    @staticmethod
    def checked(handler, properties):
        """The properties as the engine hands them over: coerced, valid, all honored."""
        properties = schema.coerced(handler.type, properties)
        assert schema.problems(handler.type, properties) == []
        assert handler.unsupported(properties) == []
        handler.validate(properties)
        return properties

    def create(self, kind, logical_id="Thing", **properties):
        handler = find(kind)
        properties = self.checked(handler, properties)
        ref, att = handler.create(self.context(logical_id), logical_id, properties)
        made = Resource(self, handler, logical_id, properties, ref, att)
        self.resources.append(made)
        return made

    def refuses(self, words, kind, **properties):
        """Creating it fails with the service's own error, or a sentence, that has these words."""
        with pytest.raises((ClientError, ResourceError)) as error:
            self.create(kind, **properties)
        assert words in str(error.value)

    def delete_all(self):
        """In reverse, then once more: deleting what is gone is fine."""
        for resource in reversed(self.resources):
            resource.delete()
        for resource in reversed(self.resources):
            resource.delete()
