"""JSON to tensors and back, by the rules of TensorFlow Serving's REST API ("RESTful API", Predict API).

A tensor is a nested list; a string may be JSON text or {"b64": "..."}; an output whose name ends in `_bytes`
goes out as {"b64": "..."}. Errors have TensorFlow Serving's own wording, as clients match on it.
"""

from __future__ import annotations

import base64
import binascii
import json

import numpy as np

FLOATS = {"float16": np.float16, "bfloat16": np.float32, "float32": np.float32, "float64": np.float64}
NAMES = {"float32": "float", "float64": "double", "float16": "half"}
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


class InvalidArgument(Exception):
    """A request that TensorFlow Serving answers with 400 and this message."""


def parse(body: bytes) -> dict:
    """The request's JSON object. `InvalidArgument` as TensorFlow Serving words it."""
    if not body.strip():
        raise InvalidArgument("JSON Parse error: The document is empty")
    try:
        document = json.loads(body)
    except json.JSONDecodeError as error:
        raise InvalidArgument(f"JSON Parse error: Invalid value. at offset: {error.pos}") from None
    except (UnicodeDecodeError, RecursionError):
        raise InvalidArgument("JSON Parse error: Invalid encoding in string. at offset: 0") from None
    if not isinstance(document, dict):
        raise InvalidArgument(f"JSON Value: {_text(document)} Is not object")
    return document


def signature_name(document: dict) -> str:
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise InvalidArgument(
            f"JSON Value: {_text(document)} not formatted correctly. 'signature_name' key must be a string "
            "value."
        )
    return name or "serving_default"


def read_inputs(document: dict, dtypes: dict[str, str]) -> tuple[dict[str, np.ndarray], bool]:
    """The named input arrays of a predict request, and whether it is in the row format ("instances").

    `dtypes` maps the signature's inputs to TensorFlow type names such as "float32" or "string".
    """
    if "instances" in document and "inputs" in document:
        raise InvalidArgument(
            f"JSON Value: {_text(document)} Not formatted correctly expecting only one of 'inputs' or "
            "'instances' keys to exist "
        )
    if "instances" in document:
        return _read_rows(document, dtypes), True
    if "inputs" in document:
        return _read_columns(document["inputs"], dtypes), False
    raise InvalidArgument("Missing 'inputs' or 'instances' key")


def _read_rows(document: dict, dtypes: dict[str, str]) -> dict[str, np.ndarray]:
    rows = document["instances"]
    if not isinstance(rows, list):
        raise InvalidArgument(f"JSON Value: {_text(document)} Excepting 'instances' to be an list/array")
    if not rows:
        raise InvalidArgument(f"JSON Value: {_text(document)} No values in 'instances' array")
    named = _is_object(rows[0])
    if not isinstance(rows[0], dict) and len(dtypes) > 1:
        raise InvalidArgument(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as "
            "per tensorinfo_map"
        )
    columns: dict[str, list[np.ndarray]] = {name: [] for name in sorted(dtypes)}
    only = next(iter(columns))
    for index, row in enumerate(rows):
        if named and not _is_object(row):
            raise InvalidArgument(f"Expecting object but got list at item {index} of input list")
        if not named and _is_object(row):
            raise InvalidArgument(f"Expecting value/list but got object at item {index} of input list")
        for name, value in row.items() if named else [(only, row)]:
            try:
                _add_item(columns, name, value, dtypes)
            except InvalidArgument as error:
                key = f" key: {name}" if named else ""
                raise InvalidArgument(
                    f"Failed to process element: {index}{key} of 'instances' list. "
                    f"Error: INVALID_ARGUMENT: {error}"
                ) from None
        if named and row.keys() != dtypes.keys():
            raise InvalidArgument(
                f"Failed to process element: {index} of 'instances' list. JSON object: {_text(row)} "
                f"keys must be equal to: {','.join(columns)}"
            )
    return {name: np.stack(items) for name, items in columns.items()}


def _add_item(columns, name: str, value, dtypes) -> None:
    if name not in dtypes:
        raise InvalidArgument(f"JSON object: does not have named input: {name}")
    array = to_array(value, dtypes[name])
    items = columns[name]
    if items and items[0].size != array.size:
        raise InvalidArgument(f"Expecting tensor size: {items[0].size} but got: {array.size}")
    if items and items[0].shape != array.shape:
        raise InvalidArgument(f"Expecting shape {_shape(items[0])} but got: {_shape(array)}")
    items.append(array)


def _read_columns(value, dtypes: dict[str, str]) -> dict[str, np.ndarray]:
    if _is_object(value):
        for name in sorted(dtypes):
            if name not in value:
                raise InvalidArgument(f"Missing named input: {name} in 'inputs' object.")
        return {name: to_array(value[name], dtype) for name, dtype in dtypes.items()}
    if len(dtypes) > 1:
        raise InvalidArgument(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as "
            "per tensorinfo_map"
        )
    ((name, dtype),) = dtypes.items()
    return {name: to_array(value, dtype)}


def to_array(value, dtype: str) -> np.ndarray:
    """A nested JSON list (or scalar) as an array; strings become an object array of bytes."""
    shape: list[int] = []
    probe = value
    while isinstance(probe, list):
        shape.append(len(probe))
        probe = probe[0] if probe else None
    flat: list = []
    _fill(value, 0, shape, dtype, flat)
    if dtype == "string":
        array = np.empty(len(flat), dtype=object)
        array[:] = flat
        return array.reshape(shape)
    numpy_type = FLOATS.get(dtype) or np.dtype(dtype)
    with np.errstate(over="ignore"):
        return np.array(flat, dtype=numpy_type).reshape(shape)


def _fill(value, level: int, shape: list[int], dtype: str, flat: list) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise InvalidArgument(
                f"JSON Value: {_text(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}"
            )
        flat.append(_scalar(value, dtype))
        return
    if level >= len(shape):
        raise InvalidArgument(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise InvalidArgument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for item in value:
        _fill(item, level + 1, shape, dtype, flat)


def _scalar(value, dtype: str):
    if dtype == "string":
        if isinstance(value, dict):
            return _from_base64(value)
        if isinstance(value, str):
            return value.encode("utf-8", "surrogatepass")
    elif isinstance(value, bool):
        if dtype == "bool":
            return value
    elif dtype in FLOATS:
        if isinstance(value, int | float):
            _check_lossless(value, dtype)
            return value
    elif dtype in INTEGERS:
        limits = np.iinfo("int32" if np.dtype(dtype).itemsize < 4 else dtype)
        if isinstance(value, int) and limits.min <= value <= limits.max:
            return value
    elif dtype != "bool":
        raise InvalidArgument(f"Conversion of JSON Value: {_text(value)} to type: {dtype}")
    raise InvalidArgument(
        f"JSON Value: {_text(value)} Type: {_json_type(value)} is not of expected type: "
        f"{NAMES.get(dtype, dtype)}"
    )


def _check_lossless(value, dtype: str) -> None:
    kind = np.finfo(FLOATS[dtype])
    if isinstance(value, int):
        lossless = abs(value) <= 2 ** (kind.nmant + 1) - 1
    else:
        lossless = not np.isfinite(value) or float(kind.min) <= value <= float(kind.max)
    if not lossless:
        raise InvalidArgument(
            f"Cannot convert JSON value: {_text(value)} to {NAMES.get(dtype, dtype)} without loss of "
            "precision."
        )


def _from_base64(value: dict) -> bytes:
    if not _is_base64(value):
        raise InvalidArgument(f"JSON Value: {_text(value)} not formatted correctly for base64 data")
    text = value["b64"].replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise InvalidArgument("Unable to base64 decode") from None


def write_outputs(outputs: dict[str, np.ndarray], row_format: bool) -> bytes:
    """The response's JSON: {"predictions": [...]} for rows, {"outputs": ...} for columns; a single output
    stands without its name."""
    values = {name: _jsonable(array, name) for name, array in sorted(outputs.items())}
    if not row_format:
        answer = values if len(values) > 1 else next(iter(values.values()))
        return _dump({"outputs": answer})
    size = None
    for name, array in sorted(outputs.items()):
        if array.ndim == 0:
            raise InvalidArgument(f"Tensor name: {name} has no shape information ")
        if size not in (None, array.shape[0]):
            raise InvalidArgument(
                f"Tensor name: {name} has inconsistent batch size: {array.shape[0]} expecting: {size}"
            )
        size = array.shape[0]
    if len(values) == 1:
        return _dump({"predictions": next(iter(values.values()))})
    return _dump({"predictions": [{name: values[name][row] for name in values} for row in range(size or 0)]})


def _jsonable(array: np.ndarray, name: str):
    if array.dtype == object or array.dtype.kind == "S":
        as_bytes = name.endswith("_bytes")
        return _map(array.tolist(), lambda item: _text_or_base64(item, as_bytes))
    if array.dtype.kind == "f" and array.dtype != np.float64:
        return _map(array.tolist(), lambda item: float(f"{item:.9g}"))  # the digits of a 32-bit float
    return array.tolist()


def _map(value, convert):
    return [_map(item, convert) for item in value] if isinstance(value, list) else convert(value)


def _text_or_base64(item: bytes, as_bytes: bool):
    item = item if isinstance(item, bytes) else str(item).encode("utf-8")
    if as_bytes:
        return {"b64": base64.b64encode(item).decode("ascii")}
    return item.decode("utf-8", "replace")


def _dump(document: dict) -> bytes:
    return json.dumps(document).encode("utf-8")


def _is_base64(value) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str)


def _is_object(value) -> bool:
    return isinstance(value, dict) and not _is_base64(value)


def _text(value) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _shape(array: np.ndarray) -> str:
    return "[" + ",".join(str(size) for size in array.shape) + "]"


def _json_type(value) -> str:
    if value is None or isinstance(value, bool):
        return {None: "Null", True: "True", False: "False"}[value]
    for kind, name in ((str, "String"), (dict, "Object"), (list, "Array")):
        if isinstance(value, kind):
            return name
    return "Number"
