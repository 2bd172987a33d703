"""AWS::EC2::VPCEndpoint, of the types Gateway and Interface."""

from typing import Any

from local_aws.services.cloudformation.resources.base import Context, Handler, ResourceError, missing_is_fine
from local_aws.services.cloudformation.resources.shapes import (
    Properties,
    document,
    ec2_tags,
    list_changes,
    picked,
    retag_ec2,
)

_LISTS = ("SubnetIds", "RouteTableIds", "SecurityGroupIds")


class VPCEndpoint(Handler):
    type = "AWS::EC2::VPCEndpoint"
    properties = {
        "VpcId",
        "ServiceName",
        "VpcEndpointType",
        "PolicyDocument",
        "PrivateDnsEnabled",
        "Tags",
        *_LISTS,
    }

    def create(self, ctx: Context, logical_id: str, properties: Properties) -> tuple[str, dict[str, Any]]:
        request = picked(properties, "VpcId", "ServiceName", "VpcEndpointType", *_LISTS)
        # CloudFormation's default differs from the API's
        request["PrivateDnsEnabled"] = properties.get("PrivateDnsEnabled", False)
        if "PolicyDocument" in properties:
            request["PolicyDocument"] = document(properties["PolicyDocument"])
        made = ctx.client("ec2").create_vpc_endpoint(**request, **ec2_tags(ctx, "vpc-endpoint", properties))
        endpoint = made["VpcEndpoint"]["VpcEndpointId"]
        ctx.made(endpoint)
        ctx.wait(lambda: self._describe(ctx, endpoint)["State"] == "available", f"the endpoint {endpoint}")
        return endpoint, self._read(ctx, endpoint)

    def update(self, ctx: Context, physical_id: str, old: Properties, new: Properties) -> dict[str, Any]:
        request: dict[str, Any] = {}
        for name in _LISTS:
            added, removed = list_changes(old.get(name), new.get(name))
            request |= {f"Add{name}": added} if added else {}
            request |= {f"Remove{name}": removed} if removed else {}
        if old.get("PolicyDocument") != new.get("PolicyDocument"):
            if "PolicyDocument" in new:
                request["PolicyDocument"] = document(new["PolicyDocument"])
            else:
                request["ResetPolicy"] = True
        if new.get("VpcEndpointType") == "Interface":
            request["PrivateDnsEnabled"] = new.get("PrivateDnsEnabled", False)
        if request:
            ctx.client("ec2").modify_vpc_endpoint(VpcEndpointId=physical_id, **request)
        retag_ec2(ctx, physical_id, old, new)
        return self._read(ctx, physical_id)

    def delete(self, ctx: Context, physical_id: str, properties: Properties) -> None:
        with missing_is_fine():
            left = ctx.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[physical_id])["Unsuccessful"]
            wrong = [item["Error"] for item in left if "NotFound" not in item["Error"]["Code"]]
            if wrong:
                raise ResourceError(f"{wrong[0]['Message']} (Error code: {wrong[0]['Code']})")

    @staticmethod
    def _describe(ctx: Context, endpoint: str) -> dict[str, Any]:
        return ctx.client("ec2").describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0]

    def _read(self, ctx: Context, endpoint: str) -> dict[str, Any]:
        found = self._describe(ctx, endpoint)
        return {
            "Id": endpoint,
            "CreationTimestamp": found["CreationTimestamp"].isoformat(),
            "NetworkInterfaceIds": found.get("NetworkInterfaceIds", []),
            "DnsEntries": [f"{e['HostedZoneId']}:{e['DnsName']}" for e in found.get("DnsEntries", [])],
        }
