"""AWS::S3::Bucket's nested properties in the shapes of the S3 API.

Both are documented side by side in the CloudFormation reference and the S3 API reference. A nested property that is
not honored is a `ResourceError` naming it.
"""

from typing import Any

from local_aws.services.cloudformation.resources.base import ResourceError
from local_aws.services.cloudformation.resources.shapes import Properties, picked, renamed

_RULE = {
    "Id",
    "Status",
    "Prefix",
    "TagFilters",
    "ExpirationInDays",
    "ExpirationDate",
    "ExpiredObjectDeleteMarker",
    "NoncurrentVersionExpirationInDays",
    "NoncurrentVersionExpiration",
    "AbortIncompleteMultipartUpload",
    "Transition",
    "Transitions",
    "NoncurrentVersionTransition",
    "NoncurrentVersionTransitions",
}


def encryption(value: Properties) -> dict[str, Any]:
    rules = []
    for rule in value["ServerSideEncryptionConfiguration"]:
        rule = renamed(
            rule,
            {
                "ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault",
                "BucketKeyEnabled": "BucketKeyEnabled",
            },
            "ServerSideEncryptionRule",
        )
        rules.append(rule)
    return {"Rules": rules}


def lifecycle(value: Properties) -> dict[str, Any]:
    for name in value:
        if name != "Rules":
            raise ResourceError(f"local_aws does not honor LifecycleConfiguration.{name}.")
    return {"Rules": [_rule(rule) for rule in value["Rules"]]}


def _rule(rule: Properties) -> dict[str, Any]:
    for name in rule:
        if name not in _RULE:
            raise ResourceError(f"local_aws does not honor LifecycleConfiguration.Rules.{name}.")
    made: dict[str, Any] = {"Status": rule["Status"], "Filter": _filter(rule)}
    if "Id" in rule:
        made["ID"] = rule["Id"]
    names = {
        "ExpirationInDays": "Days",
        "ExpirationDate": "Date",
        "ExpiredObjectDeleteMarker": "ExpiredObjectDeleteMarker",
    }
    if expiration := {to: rule[name] for name, to in names.items() if name in rule}:
        made["Expiration"] = expiration
    if "AbortIncompleteMultipartUpload" in rule:
        made["AbortIncompleteMultipartUpload"] = rule["AbortIncompleteMultipartUpload"]
    noncurrent = rule.get("NoncurrentVersionExpiration", {})
    if "NoncurrentVersionExpirationInDays" in rule:
        noncurrent = {"NoncurrentDays": rule["NoncurrentVersionExpirationInDays"]}
    if noncurrent:
        honored = {"NoncurrentDays": "NoncurrentDays"}
        made["NoncurrentVersionExpiration"] = renamed(noncurrent, honored, "NoncurrentVersionExpiration")
    if transitions := _many(rule, "Transition"):
        names = {"StorageClass": "StorageClass", "TransitionInDays": "Days", "TransitionDate": "Date"}
        made["Transitions"] = [renamed(item, names, "Transition") for item in transitions]
    if transitions := _many(rule, "NoncurrentVersionTransition"):
        names = {
            "StorageClass": "StorageClass",
            "TransitionInDays": "NoncurrentDays",
            "NewerNoncurrentVersions": "NewerNoncurrentVersions",
        }
        made["NoncurrentVersionTransitions"] = [
            renamed(item, names, "NoncurrentVersionTransition") for item in transitions
        ]
    return made


def _many(rule: Properties, name: str) -> list[Properties]:
    """The list property, or the older property for a single one."""
    return rule.get(f"{name}s") or ([rule[name]] if name in rule else [])


def _filter(rule: Properties) -> dict[str, Any]:
    tags = [picked(tag, "Key", "Value") for tag in rule.get("TagFilters", [])]
    if len(tags) == 1 and "Prefix" not in rule:
        return {"Tag": tags[0]}
    if tags:
        return {"And": {**picked(rule, "Prefix"), "Tags": tags}}
    return {"Prefix": rule.get("Prefix", "")}


def logging(value: Properties | None, bucket: str) -> dict[str, Any]:
    """Without a destination the bucket logs to itself, as CloudFormation has it."""
    if value is None:
        return {}
    for name in value:
        if name not in ("DestinationBucketName", "LogFilePrefix"):
            raise ResourceError(f"local_aws does not honor LoggingConfiguration.{name}.")
    return {
        "LoggingEnabled": {
            "TargetBucket": value.get("DestinationBucketName", bucket),
            "TargetPrefix": value.get("LogFilePrefix", ""),
        }
    }


def cors(value: Properties) -> dict[str, Any]:
    names = {
        "Id": "ID",
        "AllowedHeaders": "AllowedHeaders",
        "AllowedMethods": "AllowedMethods",
        "AllowedOrigins": "AllowedOrigins",
        "ExposedHeaders": "ExposeHeaders",
        "MaxAge": "MaxAgeSeconds",
    }
    return {"CORSRules": [renamed(rule, names, "CorsRule") for rule in value["CorsRules"]]}


def public_access_block(value: Properties) -> dict[str, Any]:
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    return {name: value.get(name, False) for name in names}


def notifications(value: Properties | None) -> dict[str, Any]:
    """The API's whole configuration; empty: no notifications."""
    made: dict[str, Any] = {}
    kinds = {
        "LambdaConfigurations": ("LambdaFunctionConfigurations", "Function", "LambdaFunctionArn"),
        "QueueConfigurations": ("QueueConfigurations", "Queue", "QueueArn"),
        "TopicConfigurations": ("TopicConfigurations", "Topic", "TopicArn"),
    }
    for name, item in (value or {}).items():
        if name == "EventBridgeConfiguration":
            made |= {name: {}} if item.get("EventBridgeEnabled", True) else {}
            continue
        to, target, arn = kinds[name]
        made[to] = [_notification(one, target, arn) for one in item]
    return made


def _notification(value: Properties, target: str, arn: str) -> dict[str, Any]:
    made = {arn: value[target], "Events": [value["Event"]]}
    if "Filter" in value:
        made["Filter"] = {"Key": {"FilterRules": value["Filter"]["S3Key"]["Rules"]}}
    return made
