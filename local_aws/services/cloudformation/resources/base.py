"""What a resource handler is: the protocol between the engine and one resource type.

A handler makes, changes and deletes one kind of resource by calling the service's own API, exactly as a user would
(`ctx.client("s3")` is an ordinary boto3 client of the stack's account and region on this server). The resource's
state lives in its service; the stack keeps the physical id and the attributes only.

How to add one: in any module of this package,

    class Topic(Handler):
        type = "AWS::SNS::Topic"
        properties = {"TopicName", "DisplayName", "Tags"}  # the ones that are really honored below
        name_property = "TopicName"

        def create(self, ctx, logical_id, properties):
            name = properties.get("TopicName") or ctx.physical_name(logical_id)
            tags = ctx.tag_list(properties.get("Tags"))
            arn = ctx.client("sns").create_topic(Name=name, Tags=tags)["TopicArn"]
            ctx.made(arn)
            ...
            return arn, {"TopicArn": arn, "TopicName": name}

Nothing else is needed: the registry finds every subclass with a `type`.

What the engine has done before it calls a handler:
- intrinsic functions and dynamic references are resolved and `AWS::NoValue` is gone;
- the values have the types of AWS's public schema of the type ("true" of a parameter is True where the schema says
  boolean), and the schema's check has passed: required and unknown keys, enumerations, patterns, ranges;
- a property of AWS's schema that is not in the handler's `properties` has failed the resource with a sentence that
  names it. So list only what is honored; never accept and drop.

What it does after: it stores id and attributes, writes the events, and turns any exception into a failed resource. The
exception's text becomes ResourceStatusReason: a botocore ClientError is shown with its code and message (let it
through; do not wrap it), a `ResourceError` with its own sentence.

The engine holds no lock while a handler runs, and a handler must not take `app.lock`: it talks over HTTP. Handlers
are single objects shared by all stacks: no state in `self`.
"""

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from local_aws.services.cloudformation.schema import create_only, lookup, read_only, schema

_MISSING = ("NotFound", "NoSuch", "DoesNotExist", "ResourceNotFound", "UnknownResource", "NonExistent")
_MISSING_WORDS = ("does not exist", "not found", "could not find", "cannot be found", "not exist")


class ResourceError(Exception):
    """The resource failed; the message is what the stack's event says."""


class Cancelled(ResourceError):
    """The operation was cancelled, its time is over, or the server stops."""


def is_missing(error: ClientError) -> bool:
    """True when a service says that the thing is not there (each service has its own code for that)."""
    answer = error.response["Error"]
    code, message = answer.get("Code", ""), answer.get("Message", "").lower()
    if code == "404" or any(
        word in code for word in _MISSING
    ):  # "AWS.SimpleQueueService.NonExistentQueue" too
        return True
    general = code in ("ValidationException", "ValidationError", "InvalidParameterValue", "InvalidInput")
    return general and any(words in message for words in _MISSING_WORDS)


@contextlib.contextmanager
def missing_is_fine() -> Iterator[None]:
    """For `delete`: what somebody else deleted already is deleted."""
    try:
        yield
    except ClientError as error:
        if not is_missing(error):
            raise


class Context:
    """What a handler may use of the stack that it works for. Made by the engine, one for each resource action.

    Attributes: `account_id`, `region`, `stack_name`, `stack_id` (ARN), `logical_id`, `resource_type` (as in the
    template), `tags` (the stack's own tags as a dict; see `tag_list`), `old_tags` (those before this update),
    `endpoint_url` of this server, `app`.
    """

    def __init__(
        self,
        app: Any,
        *,
        account_id: str,
        region: str,
        stack_name: str,
        stack_id: str,
        logical_id: str,
        resource_type: str = "",
        tags: dict[str, str] | None = None,
        old_tags: dict[str, str] | None = None,
        generation: int = 0,
        made: Callable[[str, dict[str, Any]], None] = lambda physical_id, attributes: None,
        cancelled: Callable[[], bool] = lambda: False,
        adopt: Callable[[str], None] = lambda stack_id: None,
    ):
        self.app = app
        self.account_id, self.region = account_id, region
        self.stack_name, self.stack_id, self.logical_id = stack_name, stack_id, logical_id
        self.resource_type = resource_type
        self.tags = dict(tags or {})
        self.old_tags = dict(self.tags if old_tags is None else old_tags)
        self.endpoint_url = app.endpoint_url
        self._generation, self._made, self._cancelled = generation, made, cancelled
        self.adopt = adopt  # of a nested stack's id: this stack is its parent

    def client(self, service: str, region: str | None = None) -> Any:
        """A boto3 client (thread-safe, shared) of the stack's account on this server."""
        from local_aws.services.cloudformation.clients import client

        return client(self.app, service, self.account_id, region or self.region)

    def made(self, physical_id: str, attributes: dict[str, Any] | None = None) -> None:
        """Say at once that the thing exists: right after the call that made it, before anything else that may fail.

        It is written down, so that a failure later in `create`, or the end of the server, still lets the rollback
        delete it. Not needed when that call is the last thing that `create` does.
        """
        self._made(physical_id, attributes or {})

    def physical_name(self, logical_id: str | None = None, limit: int = 64, lower: bool = False) -> str:
        """A name as CloudFormation generates it, `stack-logicalId-RANDOM`, at most `limit` characters long.

        The same for the same resource until it is replaced. `lower`: for bucket names and the like.
        """
        logical_id = logical_id or self.logical_id
        digest = hashlib.blake2b(f"{self.stack_id}/{logical_id}/{self._generation}".encode(), digest_size=8)
        suffix = digest.hexdigest()[:12].upper()
        room = limit - len(suffix) - 2
        stack = self.stack_name[: max(room - len(logical_id), room // 2)]
        name = f"{stack}-{logical_id[: room - len(stack)]}-{suffix}"
        return name.lower() if lower else name

    def tag_list(self, own: Any = None, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
        """The stack's tags and the resource's own (a list of Key/Value, or a mapping), which win; as a list of
        `{key: …, value: …}`. AWS's own `aws:cloudformation:…` tags are not set here."""
        return [{key: k, value: v} for k, v in self.tag_dict(own).items()]

    def tag_dict(self, own: Any = None, stack: dict[str, str] | None = None) -> dict[str, str]:
        """The same as a dict. `stack`: other stack tags than the present ones, such as `ctx.old_tags`."""
        if isinstance(own, dict):
            mine = {str(k): str(v) for k, v in own.items()}
        else:
            mine = {str(tag["Key"]): str(tag["Value"]) for tag in own or ()}
        return {**(self.tags if stack is None else stack), **mine}

    def tag_changes(self, old: Any, new: Any) -> tuple[dict[str, str], list[str]]:
        """(tags to set, keys to remove) that lead from the old `Tags` property to the new one; for `update`."""
        before, after = self.tag_dict(old, self.old_tags), self.tag_dict(new)
        changed = {k: v for k, v in after.items() if before.get(k) != v}
        return changed, [k for k in before if k not in after]

    def cancelled(self) -> bool:
        """Nobody waits for this resource any more: end soon."""
        return self._cancelled()

    def wait(self, done: Callable[[], Any], what: str, seconds: float = 120, every: float = 0.1) -> Any:
        """Call `done` until it returns something true, and return that.

        Raises `ResourceError` naming `what` after `seconds`, or `Cancelled`.
        """
        deadline = time.monotonic() + seconds
        while not (result := done()):
            if self.cancelled():
                raise Cancelled(f"The operation was ended while it waited for {what}.")
            if time.monotonic() > deadline:
                raise ResourceError(f"Exceeded the time to wait for {what} ({seconds:g} s).")
            time.sleep(every)
        return result


class Handler:
    """One resource type. Subclass it; see the module's docstring.

    Class attributes:
    - `type`: `AWS::Service::Thing`.
    - `properties`: names of the top-level properties that this handler honors.
    - `replaces`: more properties whose change makes a new resource. The schema's create-only ones (also nested) are
      replaced anyway; name here only those that the schema allows to update but this handler cannot.
    - `attributes`: more names for `Fn::GetAtt` than the schema's read-only properties.
    - `name_property`: the property that names the resource, if there is one. A custom name and a replacement do not go
      together: the engine refuses that as AWS does.
    - `taggable`: `update` is also called when only the stack's tags changed (`ctx.old_tags`); default: whether
      `Tags` is in `properties`.
    """

    type: str = ""
    properties: frozenset[str] | set[str] = frozenset()
    replaces: frozenset[str] | set[str] = frozenset()
    attributes: frozenset[str] | set[str] = frozenset()
    name_property: str | None = None

    @property
    def taggable(self) -> bool:
        return "Tags" in self.properties

    def create(self, ctx: Context, logical_id: str, properties: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Make it. Returns when it is usable (wait for what starts slowly), or raises.

        Returns (physical id, attributes): the physical id is what `Ref` gives, the attributes are what `Fn::GetAtt`
        gives, nested ones as `{"Endpoint.Address": …}` or `{"Endpoint": {"Address": …}}`.
        """
        raise NotImplementedError

    def update(
        self, ctx: Context, physical_id: str, old: dict[str, Any], new: dict[str, Any]
    ) -> dict[str, Any]:
        """Change it in place; returns the new attributes. Not called when the change needs a replacement.

        Must also lead back: a rollback calls it with old and new exchanged, perhaps after a change that failed half
        way. So set what `new` says, including defaults for what only `old` has.
        """
        raise ResourceError(f"{self.type}: an update in place is not emulated by local_aws.")

    def delete(self, ctx: Context, physical_id: str, properties: dict[str, Any]) -> None:
        """Delete it, and return when it is gone. Already gone is success: wrap calls in `missing_is_fine()`.

        `properties` are the last that were applied. A bucket with objects in it fails, as on AWS.
        """
        raise NotImplementedError

    def validate(self, properties: dict[str, Any]) -> None:
        """Checks beyond the schema, before `create` or `update` (optional). Raise `ResourceError`."""

    # -- what the engine asks; rarely overridden --------------------------------------------------------------
    def replacing(self, old: dict[str, Any], new: dict[str, Any]) -> set[str]:
        """The changed properties (top-level names) that need a replacement; empty: update in place.

        Override when it depends on more than the name of the property.
        """
        changed = {name for name in {*old, *new} if old.get(name) != new.get(name)}
        found = {name for name in self.replaces if name in changed}
        for path in create_only(self.type):
            if path[0] in changed and lookup(old, path) != lookup(new, path):
                found.add(path[0])
        return found

    def has_attribute(self, name: str) -> bool:
        """Whether `Fn::GetAtt` knows the name (checked before anything is made)."""
        known = {*read_only(self.type), *self.attributes}
        return name in known or any(name.startswith(f"{parent}.") for parent in known)

    def unsupported(self, properties: dict[str, Any]) -> list[str]:
        """Properties that AWS has but this handler does not honor."""
        known = schema(self.type).get("properties", properties)
        return sorted(name for name in properties if name in known and name not in self.properties)
