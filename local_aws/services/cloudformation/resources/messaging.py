"""AWS::SNS: Topic, Subscription, TopicPolicy. AWS::SQS: Queue, QueuePolicy."""

import json
from typing import Any

from local_aws.services.cloudformation.resources.base import Context, Handler, ResourceError, missing_is_fine
from local_aws.services.cloudformation.resources.shapes import (
    Properties,
    document,
    exists_already,
    list_changes,
    picked,
)

_Made = tuple[str, dict[str, Any]]


class Topic(Handler):
    type = "AWS::SNS::Topic"
    _settings = ("DisplayName", "KmsMasterKeyId")
    properties = {"TopicName", "FifoTopic", "ContentBasedDeduplication", "Subscription", "Tags", *_settings}
    name_property = "TopicName"

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        sns, name = ctx.client("sns"), properties.get("TopicName") or ctx.physical_name(logical_id, limit=256)
        if properties.get("FifoTopic") and not name.endswith(".fifo"):
            name = f"{name}.fifo"
        arn = f"arn:aws:sns:{ctx.region}:{ctx.account_id}:{name}"
        if any(topic["TopicArn"] == arn for topic in sns.list_topics()["Topics"]):
            raise exists_already(self.type, arn)
        switches = {
            k: str(properties[k]).lower()
            for k in ("FifoTopic", "ContentBasedDeduplication")
            if k in properties
        }
        attributes = {**picked(properties, *self._settings), **switches}
        tags = ctx.tag_list(properties.get("Tags"))
        arn = sns.create_topic(Name=name, Attributes=attributes, Tags=tags)["TopicArn"]
        ctx.made(arn, {"TopicArn": arn, "TopicName": name})
        for item in properties.get("Subscription", []):
            sns.subscribe(TopicArn=arn, **picked(item, "Protocol", "Endpoint"))
        return arn, {"TopicArn": arn, "TopicName": name}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        sns = ctx.client("sns")
        for name in self._settings:
            if old.get(name) != new.get(name):
                sns.set_topic_attributes(
                    TopicArn=physical_id, AttributeName=name, AttributeValue=new.get(name, "")
                )
        added, removed = list_changes(old.get("Subscription"), new.get("Subscription"))
        for item in removed:
            for found in sns.list_subscriptions_by_topic(TopicArn=physical_id)["Subscriptions"]:
                if picked(found, "Protocol", "Endpoint") == picked(item, "Protocol", "Endpoint"):
                    sns.unsubscribe(SubscriptionArn=found["SubscriptionArn"])
        for item in added:
            sns.subscribe(TopicArn=physical_id, **picked(item, "Protocol", "Endpoint"))
        changed, gone = ctx.tag_changes(old.get("Tags"), new.get("Tags"))
        if gone:
            sns.untag_resource(ResourceArn=physical_id, TagKeys=gone)
        if changed:
            tags = [{"Key": k, "Value": v} for k, v in changed.items()]
            sns.tag_resource(ResourceArn=physical_id, Tags=tags)
        return {"TopicArn": physical_id, "TopicName": physical_id.rsplit(":", 1)[-1]}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        sns = ctx.client("sns")
        with missing_is_fine():
            for found in sns.list_subscriptions_by_topic(TopicArn=physical_id)["Subscriptions"]:
                sns.unsubscribe(SubscriptionArn=found["SubscriptionArn"])
            sns.delete_topic(TopicArn=physical_id)


class Subscription(Handler):
    type = "AWS::SNS::Subscription"
    _settings = ("FilterPolicy", "FilterPolicyScope", "RawMessageDelivery")
    properties = {"TopicArn", "Protocol", "Endpoint", *_settings}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        settings = {name: self._text(properties[name]) for name in self._settings if name in properties}
        request = picked(properties, "TopicArn", "Protocol", "Endpoint")
        arn = ctx.client("sns").subscribe(**request, Attributes=settings, ReturnSubscriptionArn=True)
        return arn["SubscriptionArn"], {"Arn": arn["SubscriptionArn"]}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        defaults = {
            "FilterPolicy": "{}",
            "FilterPolicyScope": "MessageAttributes",
            "RawMessageDelivery": False,
        }
        for name in self._settings:
            if old.get(name) != new.get(name):
                value = self._text(new.get(name, defaults[name]))
                ctx.client("sns").set_subscription_attributes(
                    SubscriptionArn=physical_id, AttributeName=name, AttributeValue=value
                )
        return {"Arn": physical_id}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("sns").unsubscribe(SubscriptionArn=physical_id)

    @staticmethod
    def _text(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value)


class TopicPolicy(Handler):
    type = "AWS::SNS::TopicPolicy"
    properties = {"PolicyDocument", "Topics"}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        name = ctx.physical_name(logical_id)
        ctx.made(name, {"Id": name})
        self._put(ctx, properties["Topics"], properties)
        return name, {"Id": name}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        self._reset(ctx, list_changes(old["Topics"], new["Topics"])[1])
        self._put(ctx, new["Topics"], new)
        return {"Id": physical_id}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        self._reset(ctx, properties["Topics"])

    @staticmethod
    def _put(ctx: Context, topics: list[str], properties: Properties) -> None:
        text = document(properties["PolicyDocument"])
        for arn in topics:
            ctx.client("sns").set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=text)

    @staticmethod
    def _reset(ctx: Context, topics: list[str]) -> None:
        """Back to the owner's own policy, which every topic has."""
        for arn in topics:
            statement = {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ctx.account_id}:root"},
                "Action": "SNS:*",
                "Resource": arn,
            }
            text = document({"Version": "2012-10-17", "Statement": [statement]})
            with missing_is_fine():
                ctx.client("sns").set_topic_attributes(
                    TopicArn=arn, AttributeName="Policy", AttributeValue=text
                )


class Queue(Handler):
    type = "AWS::SQS::Queue"
    _numbers = {
        "DelaySeconds": 0,
        "MaximumMessageSize": 262144,
        "MessageRetentionPeriod": 345600,
        "ReceiveMessageWaitTimeSeconds": 0,
        "VisibilityTimeout": 30,
    }
    _texts = {"KmsMasterKeyId": "", "RedrivePolicy": "", "SqsManagedSseEnabled": "true"}
    properties = {"QueueName", "FifoQueue", "ContentBasedDeduplication", "Tags", *_numbers, *_texts}
    name_property = "QueueName"

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        sqs, name = ctx.client("sqs"), properties.get("QueueName") or ctx.physical_name(logical_id, limit=80)
        if properties.get("FifoQueue") and not name.endswith(".fifo"):
            name = f"{name}.fifo"
        if any(
            url.endswith(f"/{name}") for url in sqs.list_queues(QueueNamePrefix=name).get("QueueUrls", [])
        ):
            raise exists_already(self.type, name)
        settings = self._settings_of(properties)
        for switch in ("FifoQueue", "ContentBasedDeduplication"):
            if properties.get(switch):
                settings[switch] = "true"
        tags = ctx.tag_dict(properties.get("Tags"))
        url = sqs.create_queue(QueueName=name, Attributes=settings, **({"tags": tags} if tags else {}))[
            "QueueUrl"
        ]
        return url, self._read(ctx, url)

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        sqs = ctx.client("sqs")
        defaults = {
            name: str(value) for name, value in {**self._numbers, **self._texts}.items() if name in old
        }
        settings = {**defaults, **self._settings_of(new)}
        if settings:
            sqs.set_queue_attributes(QueueUrl=physical_id, Attributes=settings)
        changed, removed = ctx.tag_changes(old.get("Tags"), new.get("Tags"))
        if removed:
            sqs.untag_queue(QueueUrl=physical_id, TagKeys=removed)
        if changed:
            sqs.tag_queue(QueueUrl=physical_id, Tags=changed)
        return self._read(ctx, physical_id)

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            ctx.client("sqs").delete_queue(QueueUrl=physical_id)

    def _settings_of(self, properties: Properties) -> dict[str, str]:
        settings = {name: str(properties[name]) for name in self._numbers if name in properties}
        for name in self._texts:
            if name in properties:
                value = properties[name]
                settings[name] = value if isinstance(value, str) else json.dumps(value)
        return settings

    @staticmethod
    def _read(ctx: Context, url: str) -> dict[str, Any]:
        got = ctx.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return {"Arn": got["Attributes"]["QueueArn"], "QueueName": url.rsplit("/", 1)[-1], "QueueUrl": url}


class QueuePolicy(Handler):
    type = "AWS::SQS::QueuePolicy"
    properties = {"PolicyDocument", "Queues"}

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> _Made:
        name = ctx.physical_name(logical_id)
        ctx.made(name, {"Id": name})
        self._put(ctx, properties["Queues"], document(properties["PolicyDocument"]))
        return name, {"Id": name}

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        with missing_is_fine():
            self._put(ctx, list_changes(old["Queues"], new["Queues"])[1], "")
        self._put(ctx, new["Queues"], document(new["PolicyDocument"]))
        return {"Id": physical_id}

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            self._put(ctx, properties["Queues"], "")

    @staticmethod
    def _put(ctx: Context, queues: list[str], text: str) -> None:
        for url in queues:
            if not url.startswith("http"):
                raise ResourceError(f"Queues must be queue URLs, not {url}.")
            ctx.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": text})
