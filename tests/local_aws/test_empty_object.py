"""PutObject with an empty body: botocore sends `Expect: 100-continue` and waits for an answer to it."""

import time


def test_put_object_without_content(aws, bucket):
    start = time.monotonic()
    aws.s3.put_object(Bucket=bucket, Key="package/__init__.py", Body=b"")
    assert time.monotonic() - start < 5
    assert aws.s3.get_object(Bucket=bucket, Key="package/__init__.py")["Body"].read() == b""
