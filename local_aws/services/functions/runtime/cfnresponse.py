"""`cfnresponse` for functions whose code is inline in a CloudFormation template.

The contract is CloudFormation's guide, "cfn-response module": `send` puts a JSON answer to the event's
ResponseURL. This is an implementation of local_aws's own.
"""

import json
import urllib.request

SUCCESS = "SUCCESS"
FAILED = "FAILED"


def send(
    event,
    context,
    responseStatus,
    responseData,
    physicalResourceId=None,
    noEcho=False,
    reason=None,
):
    """Answer a custom resource's request; what goes wrong on the way is printed, not raised."""
    answer = {
        "Status": responseStatus,
        "Reason": reason or f"See the details in CloudWatch Log Stream: {context.log_stream_name}",
        "PhysicalResourceId": physicalResourceId or context.log_stream_name,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "NoEcho": noEcho,
        "Data": responseData,
    }
    body = json.dumps(answer).encode("utf-8")
    print("Response body:")
    print(body.decode("utf-8"))
    # a presigned URL is signed for an empty content type
    request = urllib.request.Request(
        event["ResponseURL"], body, {"Content-Type": "", "Content-Length": str(len(body))}, method="PUT"
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            print("Status code:", response.status)
    except OSError as error:
        print("send(..) failed executing the request:", error)
