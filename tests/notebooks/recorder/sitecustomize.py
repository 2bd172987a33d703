"""Imported by every Python process whose PYTHONPATH has this folder: writes each AWS call to RECORDED_CALLS.

One JSON object a line: service, operation, parameters as the caller gave them.
"""

import importlib.abc
import importlib.util
import json
import os
import sys


class _PatchOnImport(importlib.abc.MetaPathFinder):
    """Wraps botocore's one way to the wire when botocore.client is imported, so that start-up stays cheap."""

    def find_spec(self, name, path, target=None):
        if name != "botocore.client":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            original = module.BaseClient._make_api_call

            def record(client, operation, parameters):
                line = {
                    "service": client.meta.service_model.service_name,
                    "operation": operation,
                    "parameters": parameters,
                }
                with open(os.environ["RECORDED_CALLS"], "a", encoding="utf-8") as out:
                    out.write(json.dumps(line, default=repr) + "\n")
                return original(client, operation, parameters)

            module.BaseClient._make_api_call = record

        spec.loader.exec_module = exec_module
        return spec


if os.environ.get("RECORDED_CALLS"):
    sys.meta_path.insert(0, _PatchOnImport())
