"""AWS::Lambda: Function, Permission."""

from typing import Any

from local_aws.services.cloudformation.resources.base import Context, Handler, ResourceError, missing_is_fine
from local_aws.services.cloudformation.resources.roles import check_role
from local_aws.services.cloudformation.resources.shapes import Properties, picked
from local_aws.services.functions.packages import inline_zip

_Made = tuple[str, dict[str, Any]]
_DEFAULTS = {"Description": "", "Environment": {"Variables": {}}, "MemorySize": 128, "Timeout": 3}


class Function(Handler):
    type = "AWS::Lambda::Function"
    _settings = ("Description", "Environment", "Handler", "MemorySize", "Role", "Runtime", "Timeout")
    properties = {"Code", "FunctionName", "PackageType", "Architectures", "LoggingConfig", "Tags", *_settings}
    name_property = "FunctionName"
    # the API changes it with the code only
    replaces = {"Architectures"}

    def validate(self, properties: Properties) -> None:
        self._code(properties)

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        self._check_role(ctx, properties)
        name = properties.get("FunctionName") or ctx.physical_name(logical_id)
        request = picked(properties, *self._settings, "PackageType", "Architectures", "LoggingConfig")
        if tags := ctx.tag_dict(properties.get("Tags")):
            request["Tags"] = tags
        made = ctx.client("lambda").create_function(FunctionName=name, Code=self._code(properties), **request)
        ctx.made(name, {"Arn": made["FunctionArn"]})
        return name, {"Arn": made["FunctionArn"]}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        self._check_role(ctx, new)
        client, function = ctx.client("lambda"), {"FunctionName": physical_id}
        if old["Code"] != new["Code"]:
            client.update_function_code(**function, **self._code(new))
        names = (*self._settings, "LoggingConfig")
        changed = {name for name in names if old.get(name) != new.get(name)}
        request = {name: new.get(name, _DEFAULTS.get(name, {})) for name in changed}
        if request:
            client.update_function_configuration(**function, **request)
        arn = client.get_function(**function)["Configuration"]["FunctionArn"]
        tags, removed = ctx.tag_changes(old.get("Tags"), new.get("Tags"))
        if removed:
            client.untag_resource(Resource=arn, TagKeys=removed)
        if tags:
            client.tag_resource(Resource=arn, Tags=tags)
        return {"Arn": arn}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("lambda").delete_function(FunctionName=physical_id)

    @staticmethod
    def _check_role(ctx: Context, properties: Properties) -> None:
        sentence = (
            "The role defined for the function cannot be assumed by Lambda. (Service: Lambda, Status Code: 400, "
            "Error Code: InvalidParameterValueException)"
        )
        check_role(ctx, properties["Role"], "lambda.amazonaws.com", sentence)

    @staticmethod
    def _code(properties: Properties) -> dict[str, Any]:
        """The API's code: a template's ZipFile is the source of `index.py`, S3 names stay."""
        code = properties["Code"]
        for name in code:
            if name not in ("ZipFile", "S3Bucket", "S3Key", "S3ObjectVersion"):
                raise ResourceError(f"local_aws does not honor Code.{name} of a Lambda function.")
        if "ZipFile" in code:
            if not properties.get("Runtime", "").startswith("python"):
                raise ResourceError("local_aws runs inline code (Code.ZipFile) of Python functions only.")
            return {"ZipFile": inline_zip(code["ZipFile"])}
        return dict(code)


class Permission(Handler):
    type = "AWS::Lambda::Permission"
    _request = ("Action", "Principal", "SourceArn", "SourceAccount", "PrincipalOrgID", "EventSourceToken")
    properties = {"FunctionName", *_request}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        statement = ctx.physical_name(logical_id)
        request = {"FunctionName": properties["FunctionName"], **picked(properties, *self._request)}
        ctx.client("lambda").add_permission(StatementId=statement, **request)
        return statement, {"Id": statement}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        function = {"FunctionName": properties["FunctionName"]}
        with missing_is_fine():
            ctx.client("lambda").remove_permission(**function, StatementId=physical_id)
