"""What a call must be refused with."""

import pytest
from botocore.exceptions import ClientError

_MISSING = ("NotFound", "NoSuch", "DoesNotExist", "NonExistent")
_MISSING_WORDS = ("does not exist", "Could not find", "not found")


def refused(call, code, words, **request):
    """`call(**request)` fails with this error code, and these words in its message."""
    with pytest.raises(ClientError) as error:
        call(**request)
    assert error.value.response["Error"]["Code"] == code
    assert words in error.value.response["Error"]["Message"]


def gone(call, **request):
    """`call(**request)` fails because what it asks for is not there, and for no other reason."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    known = error["Code"] == "404" or any(word in error["Code"] for word in _MISSING)
    assert known or any(words in error["Message"] for words in _MISSING_WORDS), error
