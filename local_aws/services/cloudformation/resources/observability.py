"""AWS::Logs::LogGroup and AWS::CloudWatch::Alarm."""

from typing import Any

from local_aws.services.cloudformation.resources.base import Context, Handler, missing_is_fine
from local_aws.services.cloudformation.resources.shapes import Properties, exists_already, picked


class LogGroup(Handler):
    type = "AWS::Logs::LogGroup"
    properties = {"LogGroupName", "RetentionInDays", "KmsKeyId", "Tags"}
    name_property = "LogGroupName"

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> tuple[str, dict[str, Any]]:
        logs = ctx.client("logs")
        name = properties.get("LogGroupName") or ctx.physical_name(logical_id, limit=512)
        if self._find(logs, name):
            raise exists_already(self.type, name)
        request = {"kmsKeyId": properties["KmsKeyId"]} if "KmsKeyId" in properties else {}
        if tags := ctx.tag_dict(properties.get("Tags")):
            request["tags"] = tags
        logs.create_log_group(logGroupName=name, **request)
        ctx.made(name)
        if "RetentionInDays" in properties:
            logs.put_retention_policy(logGroupName=name, retentionInDays=properties["RetentionInDays"])
        return name, self._attributes(ctx, name)

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        logs, group = ctx.client("logs"), {"logGroupName": physical_id}
        if "RetentionInDays" in new:
            logs.put_retention_policy(**group, retentionInDays=new["RetentionInDays"])
        elif "RetentionInDays" in old:
            logs.delete_retention_policy(**group)
        if "KmsKeyId" in new:
            logs.associate_kms_key(**group, kmsKeyId=new["KmsKeyId"])
        elif "KmsKeyId" in old:
            logs.disassociate_kms_key(**group)
        changed, removed = ctx.tag_changes(old.get("Tags"), new.get("Tags"))
        if removed:
            logs.untag_log_group(**group, tags=removed)
        if changed:
            logs.tag_log_group(**group, tags=changed)
        return self._attributes(ctx, physical_id)

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("logs").delete_log_group(logGroupName=physical_id)

    @staticmethod
    def _find(logs: Any, name: str) -> bool:
        found = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        return any(group["logGroupName"] == name for group in found)

    @staticmethod
    def _attributes(ctx: Context, name: str) -> dict[str, Any]:
        return {"Arn": f"arn:aws:logs:{ctx.region}:{ctx.account_id}:log-group:{name}:*"}


class Alarm(Handler):
    """An alarm's settings. Whether it is in alarm is CloudWatch's business: nothing here evaluates metrics."""

    type = "AWS::CloudWatch::Alarm"
    _request = (
        "AlarmDescription",
        "ActionsEnabled",
        "OKActions",
        "AlarmActions",
        "InsufficientDataActions",
        "MetricName",
        "Namespace",
        "Statistic",
        "ExtendedStatistic",
        "Dimensions",
        "Period",
        "Unit",
        "EvaluationPeriods",
        "DatapointsToAlarm",
        "Threshold",
        "ComparisonOperator",
        "TreatMissingData",
        "Metrics",
    )
    properties = {*_request, "AlarmName", "Tags"}
    name_property = "AlarmName"

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> tuple[str, dict[str, Any]]:
        name = properties.get("AlarmName") or ctx.physical_name(logical_id, limit=255)
        client = ctx.client("cloudwatch")
        if client.describe_alarms(AlarmNames=[name])["MetricAlarms"]:
            raise exists_already(self.type, name)
        tags = ctx.tag_list(properties.get("Tags"))
        request = {**picked(properties, *self._request), **({"Tags": tags} if tags else {})}
        client.put_metric_alarm(AlarmName=name, **request)
        return name, self._attributes(ctx, name)

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        client, attributes = ctx.client("cloudwatch"), self._attributes(ctx, physical_id)
        client.put_metric_alarm(AlarmName=physical_id, **picked(new, *self._request))
        changed, removed = ctx.tag_changes(old.get("Tags"), new.get("Tags"))
        if removed:
            client.untag_resource(ResourceARN=attributes["Arn"], TagKeys=removed)
        if changed:
            tags = [{"Key": k, "Value": v} for k, v in changed.items()]
            client.tag_resource(ResourceARN=attributes["Arn"], Tags=tags)
        return attributes

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("cloudwatch").delete_alarms(AlarmNames=[physical_id])

    @staticmethod
    def _attributes(ctx: Context, name: str) -> dict[str, Any]:
        return {"Arn": f"arn:aws:cloudwatch:{ctx.region}:{ctx.account_id}:alarm:{name}"}
