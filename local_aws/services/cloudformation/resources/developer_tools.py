"""AWS::CodeCommit::Repository, AWS::CodeBuild::Project, AWS::CodePipeline::Pipeline.

Their APIs take the templates' structures with a small first letter.
"""

from typing import Any

from local_aws.services.cloudformation.resources.base import Context, Handler, ResourceError, missing_is_fine
from local_aws.services.cloudformation.resources.roles import check_role
from local_aws.services.cloudformation.resources.shapes import Properties, document, list_changes, picked

_Made = tuple[str, dict[str, Any]]
_AS_THEY_ARE = {"Configuration"}  # an action's settings: their names are the action's own
_OTHER_NAMES = {"BuildSpec": "buildspec"}


def lowered(value: Any) -> Any:
    """`{"ServiceRole": {"Type": 1}}` as `{"serviceRole": {"type": 1}}`, in lists too."""
    if isinstance(value, list):
        return [lowered(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for name, item in value.items():
        key = _OTHER_NAMES.get(name, name[0].lower() + name[1:])
        made[key] = item if name in _AS_THEY_ARE else lowered(item)
    return made


class Repository(Handler):
    type = "AWS::CodeCommit::Repository"
    properties = {"RepositoryName", "RepositoryDescription", "Tags"}
    name_property = "RepositoryName"

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        client, name = ctx.client("codecommit"), properties["RepositoryName"]
        words = {"repositoryDescription": properties.get("RepositoryDescription", "")}
        tags = ctx.tag_dict(properties.get("Tags"))
        request = {**words, **({"tags": tags} if tags else {})}
        made = client.create_repository(repositoryName=name, **request)["repositoryMetadata"]
        return made["repositoryId"], self._attributes(made)

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        client, name = ctx.client("codecommit"), new["RepositoryName"]
        if old["RepositoryName"] != name:
            client.update_repository_name(oldName=old["RepositoryName"], newName=name)
        if old.get("RepositoryDescription") != new.get("RepositoryDescription"):
            words = new.get("RepositoryDescription", "")
            client.update_repository_description(repositoryName=name, repositoryDescription=words)
        found = client.get_repository(repositoryName=name)["repositoryMetadata"]
        changed, removed = ctx.tag_changes(old.get("Tags"), new.get("Tags"))
        if removed:
            client.untag_resource(resourceArn=found["Arn"], tagKeys=removed)
        if changed:
            client.tag_resource(resourceArn=found["Arn"], tags=changed)
        return self._attributes(found)

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("codecommit").delete_repository(repositoryName=properties["RepositoryName"])

    @staticmethod
    def _attributes(found: dict[str, Any]) -> dict[str, Any]:
        return {
            "Arn": found["Arn"],
            "Name": found["repositoryName"],
            "RepositoryId": found["repositoryId"],
            "CloneUrlHttp": found["cloneUrlHttp"],
            "CloneUrlSsh": found.get("cloneUrlSsh", ""),
        }


class Project(Handler):
    type = "AWS::CodeBuild::Project"
    _request = (
        "Artifacts",
        "ConcurrentBuildLimit",
        "Description",
        "EncryptionKey",
        "Environment",
        "LogsConfig",
        "QueuedTimeoutInMinutes",
        "SecondaryArtifacts",
        "SecondarySources",
        "ServiceRole",
        "Source",
        "SourceVersion",
        "TimeoutInMinutes",
    )
    properties = {"Name", "Tags", *_request}
    name_property = "Name"

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        self._check_role(ctx, properties)
        name = properties.get("Name") or ctx.physical_name(logical_id, limit=255)
        request = {**lowered(picked(properties, *self._request)), "tags": self._tags(ctx, properties)}
        made = ctx.client("codebuild").create_project(name=name, **request)["project"]
        return name, {"Arn": made["arn"], "Id": name}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        self._check_role(ctx, new)
        # what only the old properties have goes back to the API's default
        defaults = {
            "Description": "",
            "TimeoutInMinutes": 60,
            "QueuedTimeoutInMinutes": 480,
            "SourceVersion": "",
        }
        before = {**{k: v for k, v in defaults.items() if k in old}, "SecondarySources": []}
        before["SecondaryArtifacts"] = []
        request = lowered({**before, **picked(new, *self._request)})
        client = ctx.client("codebuild")
        made = client.update_project(name=physical_id, **request, tags=self._tags(ctx, new))["project"]
        return {"Arn": made["arn"], "Id": physical_id}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("codebuild").delete_project(name=physical_id)

    @staticmethod
    def _check_role(ctx: Context, properties: Properties) -> None:
        role = properties["ServiceRole"]
        sentence = (
            f"CodeBuild is not authorized to perform: sts:AssumeRole on {role} (Service: CodeBuild, Status Code: 400, "
            "Error Code: InvalidInputException)"
        )
        check_role(ctx, role, "codebuild.amazonaws.com", sentence)

    @staticmethod
    def _tags(ctx: Context, properties: Properties) -> list[dict[str, str]]:
        return ctx.tag_list(properties.get("Tags"), "key", "value")


class Pipeline(Handler):
    type = "AWS::CodePipeline::Pipeline"
    _request = (
        "ArtifactStore",
        "ArtifactStores",
        "ExecutionMode",
        "PipelineType",
        "RoleArn",
        "Stages",
        "Triggers",
        "Variables",
    )
    properties = {
        "Name",
        "DisableInboundStageTransitions",
        "RestartExecutionOnUpdate",
        "Tags",
        *_request,
    }
    name_property = "Name"

    def validate(self, properties: Properties) -> None:
        if ("ArtifactStore" in properties) == ("ArtifactStores" in properties):
            raise ResourceError("A pipeline has either an ArtifactStore or ArtifactStores.")

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        self._check_role(ctx, properties)
        name = properties.get("Name") or ctx.physical_name(logical_id, limit=100)
        client = ctx.client("codepipeline")
        tags = ctx.tag_list(properties.get("Tags"), "key", "value")
        request = {"pipeline": self._structure(name, properties), **({"tags": tags} if tags else {})}
        version = client.create_pipeline(**request)["pipeline"]["version"]
        ctx.made(name)
        self._transitions(client, name, {}, properties)
        return name, self._attributes(ctx, name, version)

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        self._check_role(ctx, new)
        client = ctx.client("codepipeline")
        structure = self._structure(physical_id, new)
        version = client.update_pipeline(pipeline=structure)["pipeline"]["version"]
        self._transitions(client, physical_id, old, new)
        attributes = self._attributes(ctx, physical_id, version)
        changed, removed = ctx.tag_changes(old.get("Tags"), new.get("Tags"))
        if removed:
            client.untag_resource(resourceArn=attributes["Arn"], tagKeys=removed)
        if changed:
            tags = [{"key": k, "value": v} for k, v in changed.items()]
            client.tag_resource(resourceArn=attributes["Arn"], tags=tags)
        if new.get("RestartExecutionOnUpdate"):
            client.start_pipeline_execution(name=physical_id)
        return attributes

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("codepipeline").delete_pipeline(name=physical_id)

    @staticmethod
    def _check_role(ctx: Context, properties: Properties) -> None:
        role = properties["RoleArn"]
        sentence = (
            f"CodePipeline is not authorized to perform AssumeRole on role {role} (Service: CodePipeline, Status Code: "
            "400, Error Code: InvalidStructureException)"
        )
        check_role(ctx, role, "codepipeline.amazonaws.com", sentence)

    def _structure(self, name: str, properties: Properties) -> dict[str, Any]:
        made = {"name": name, **lowered(picked(properties, *self._request))}
        for stage in made["stages"]:
            for action in stage["actions"]:
                # a setting may be an object in a template; the API has text
                texts = {k: document(v) for k, v in action.get("configuration", {}).items()}
                if texts:
                    action["configuration"] = texts
        if isinstance(made.get("artifactStores"), list):
            made["artifactStores"] = {
                store["region"]: store["artifactStore"] for store in made["artifactStores"]
            }
        return made

    @staticmethod
    def _transitions(client: Any, name: str, old: Properties, new: Properties) -> None:
        member = "DisableInboundStageTransitions"
        added, removed = list_changes(old.get(member), new.get(member))
        for item in removed:
            client.enable_stage_transition(
                pipelineName=name, stageName=item["StageName"], transitionType="Inbound"
            )
        for item in added:
            client.disable_stage_transition(
                pipelineName=name,
                stageName=item["StageName"],
                transitionType="Inbound",
                reason=item["Reason"],
            )

    @staticmethod
    def _attributes(ctx: Context, name: str, version: int) -> dict[str, Any]:
        arn = f"arn:aws:codepipeline:{ctx.region}:{ctx.account_id}:{name}"
        return {"Arn": arn, "Version": str(version)}
