"""Latency, throughput and memory of InvokeEndpoint on local_aws, against the same model called in a process.

    python benchmarks/serving.py                     a tiny model that answers with what it is asked
    python benchmarks/serving.py --model-dir DIR     an extracted model.tar.gz with code/inference.py;
                                                     SENTIMENT_RUNTIME=onnx and torch, one after the other
    python benchmarks/serving.py --endpoint NAME     an endpoint of the running local AWS

Both sides run the same handler code on the same bytes, in turns: a block in the process, a block through
boto3, several rounds. Times are milliseconds; the overhead is the median of the differences of the blocks'
medians. Memory is the kernel's peak resident set (VmHWM) of the endpoint's server processes, in MiB.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path

ROLE = "arn:aws:iam::123456789012:role/lab"
REGISTRY = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
IMAGES = {
    "huggingface": f"{REGISTRY}/huggingface-pytorch-inference:2.6.0-transformers5.5.3-cpu-py312-ubuntu22.04",
    "pytorch": f"{REGISTRY}/pytorch-inference:2.6.0-cpu-py312",
    "tensorflow": f"{REGISTRY}/tensorflow-inference:2.20.0-cpu",
}
TEXT = "Loved the new update, the app is so much faster now!"
ECHO = """\
import json


def model_fn(model_dir):
    return None


def input_fn(data, content_type):
    return json.loads(data)


def predict_fn(data, model):
    return data


def output_fn(prediction, accept):
    return json.dumps(prediction)
"""


def serve_in_process(model_dir: str, kind: str, body: bytes) -> None:
    """The child of the comparison: load the model, then answer as many requests as each line says."""
    from local_aws.serving.__main__ import make_handler
    from local_aws.serving.messages import Request

    handler = make_handler(kind, model_dir)
    handler.load()
    request = Request(body, {"Content-Type": "application/json", "Accept": "application/json"})
    print("ready", file=sys.stderr, flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            begin = time.perf_counter()
            response = handler.handle(request)
            times.append((time.perf_counter() - begin) * 1000)
            if response.status != 200:
                raise SystemExit(f"the model answered {response.status}: {response.body[:500]!r}")
        print(json.dumps(times), file=sys.stderr, flush=True)


class InProcess:
    """The same model in a Python process of its own, without HTTP; handlers may print to stdout."""

    def __init__(self, model_dir: Path, kind: str, body: bytes, environment: dict):
        command = [sys.executable, __file__, "--in-process", str(model_dir), kind, body.decode("utf-8")]
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment, "SAGEMAKER_SUBMIT_DIRECTORY": str(model_dir / "code")},
        )
        self._read("ready")

    def _read(self, start: str) -> str:
        for line in self.child.stderr:
            if line.startswith(start):
                return line
        raise SystemExit(f"the model cannot be called in a process (exit status {self.child.wait()})")

    def times(self, count: int) -> list[float]:
        self.child.stdin.write(f"{count}\n")
        self.child.stdin.flush()
        return json.loads(self._read("["))

    def close(self) -> None:
        self.child.stdin.close()
        self.child.wait()


def invoke_times(runtime, endpoint: str, body: bytes, count: int) -> list[float]:
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        answer = runtime.invoke_endpoint(
            EndpointName=endpoint, Body=body, ContentType="application/json", Accept="application/json"
        )
        answer["Body"].read()
        times.append((time.perf_counter() - begin) * 1000)
    return times


def throughput(runtime, endpoint: str, body: bytes, clients: int, count: int) -> float:
    """Requests a second of `clients` threads that ask without a pause."""
    work = [
        threading.Thread(target=invoke_times, args=(runtime, endpoint, body, count)) for _ in range(clients)
    ]
    begin = time.perf_counter()
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    return clients * count / (time.perf_counter() - begin)


def peak_memory(server_pid: int, endpoint: str) -> float:
    """MiB, the peaks of the endpoint's processes added up."""
    import psutil

    total = 0
    for process in psutil.Process(server_pid).children():
        if f"/endpoints/us-east-1/{endpoint}/" not in " ".join(process.cmdline()):
            continue
        for member in [process, *process.children(recursive=True)]:
            status = Path(f"/proc/{member.pid}/status").read_text()
            total += int(status.split("VmHWM:")[1].split()[0])
    return total / 1024


def percentile(values: list[float], q: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * q))]


def compare(clients: dict, endpoint: str, inside: InProcess, body: bytes, options) -> dict:
    runtime = clients["runtime"]
    inside.times(options.warmup)
    invoke_times(runtime, endpoint, body, options.warmup)
    bare, through = [], []
    for _ in range(options.rounds):
        bare.append(inside.times(options.requests))
        through.append(invoke_times(runtime, endpoint, body, options.requests))
    inside.close()
    in_process, invoked = sum(bare, []), sum(through, [])
    gaps = [statistics.median(b) - statistics.median(a) for a, b in zip(bare, through, strict=True)]
    return {
        "in_process_p50_ms": round(statistics.median(in_process), 3),
        "in_process_p95_ms": round(percentile(in_process, 0.95), 3),
        "invoke_p50_ms": round(statistics.median(invoked), 3),
        "invoke_p95_ms": round(percentile(invoked, 0.95), 3),
        "overhead_p50_ms": round(statistics.median(gaps), 3),
        "requests_per_second_1_client": round(throughput(runtime, endpoint, body, 1, options.requests), 1),
        "requests_per_second_4_clients": round(throughput(runtime, endpoint, body, 4, options.requests), 1),
        "endpoint_peak_memory_mib": round(peak_memory(clients["pid"], endpoint), 1),
        "requests": options.rounds * options.requests,
    }


def connect(local) -> dict:
    """boto3 clients for a local AWS."""
    from local_aws import activate

    activate(local)
    import boto3

    names = {"sagemaker": "sagemaker", "runtime": "sagemaker-runtime", "s3": "s3"}
    session = boto3.Session(region_name=local.region)
    return {key: session.client(name) for key, name in names.items()} | {"pid": local.pid}


def deploy(clients: dict, name: str, model_dir: Path, kind: str, environment: dict) -> str:
    """An endpoint for an extracted artifact; its name."""
    bucket = "benchmark"
    if bucket not in [item["Name"] for item in clients["s3"].list_buckets()["Buckets"]]:
        clients["s3"].create_bucket(Bucket=bucket)
    with tempfile.NamedTemporaryFile(suffix=".tar.gz") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
            for path in sorted(model_dir.iterdir()):
                tar.add(path, path.name)
        file.flush()
        clients["s3"].upload_file(file.name, bucket, f"{name}/model.tar.gz")
    client = clients["sagemaker"]
    client.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE,
        PrimaryContainer={
            "Image": IMAGES[kind],
            "ModelDataUrl": f"s3://{bucket}/{name}/model.tar.gz",
            "Environment": environment,
        },
    )
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InstanceType": "ml.m5.large"}
    client.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
    )
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    while (described := client.describe_endpoint(EndpointName=name))["EndpointStatus"] == "Creating":
        time.sleep(0.2)
    if described["EndpointStatus"] != "InService":
        raise SystemExit(f"the endpoint is {described['EndpointStatus']}: {described.get('FailureReason')}")
    return name


def download(clients: dict, endpoint: str, folder: Path) -> tuple[str, dict]:
    """Extract the artifact that an endpoint serves; the image's kind and the container's environment."""
    client = clients["sagemaker"]
    config = client.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    variant = client.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"][0]
    container = client.describe_model(ModelName=variant["ModelName"])["PrimaryContainer"]
    if "ModelPackageName" in container:
        package = client.describe_model_package(ModelPackageName=container["ModelPackageName"])
        inner = package["InferenceSpecification"]["Containers"][0]
        container = {
            **inner,
            "Environment": {**inner.get("Environment", {}), **container.get("Environment", {})},
        }
    bucket, key = container["ModelDataUrl"].removeprefix("s3://").split("/", 1)
    archive = folder / "model.tar.gz"
    clients["s3"].download_file(bucket, key, str(archive))
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "model", filter="data")
    image = container["Image"]
    kind = "tensorflow" if "tensorflow-inference" in image else "toolkit"
    return "huggingface" if "huggingface" in image else kind, container.get("Environment", {})


def serving_kind(kind: str) -> str:
    return "toolkit" if kind == "pytorch" else kind


def run(options) -> dict:
    from local_aws import ensure_started

    body = options.body.encode("utf-8")
    results = {}
    with tempfile.TemporaryDirectory(prefix="serving-benchmark-") as scratch:
        folder = Path(scratch)
        if options.endpoint:
            clients = connect(ensure_started(quiet=True))
            kind, environment = download(clients, options.endpoint, folder)
            inside = InProcess(folder / "model", kind, body, environment)
            return {options.endpoint: compare(clients, options.endpoint, inside, body, options)}
        from local_aws.client import stop

        local = ensure_started(home=folder / "home", port=0, quiet=True)
        try:
            clients = connect(local)
            if options.model_dir:
                model_dir, kind = options.model_dir.resolve(), options.kind
                environments = {name: {"SENTIMENT_RUNTIME": name} for name in options.runtimes}
            else:
                model_dir, kind, environments = folder / "echo", "pytorch", {"echo": {}}
                (model_dir / "code").mkdir(parents=True)
                (model_dir / "code" / "inference.py").write_text(ECHO, "utf-8")
            for name, environment in environments.items():
                endpoint = deploy(clients, f"benchmark-{name}", model_dir, kind, environment)
                inside = InProcess(model_dir, serving_kind(kind), body, environment)
                results[name] = compare(clients, endpoint, inside, body, options)
                clients["sagemaker"].delete_endpoint(EndpointName=endpoint)
        finally:
            stop(local.home)
    return results


def main(argv=None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["--in-process"]:
        serve_in_process(argv[1], argv[2], argv[3].encode("utf-8"))
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--endpoint", help="an endpoint that is InService on the running local AWS")
    what.add_argument("--model-dir", type=Path, help="an extracted model.tar.gz with code/inference.py")
    parser.add_argument("--kind", choices=list(IMAGES), default="huggingface", help="image for --model-dir")
    parser.add_argument(
        "--runtimes", nargs="+", default=["onnx", "torch"], help="values of SENTIMENT_RUNTIME"
    )
    parser.add_argument("--body", default=json.dumps({"inputs": TEXT}), help="the JSON request")
    parser.add_argument("--requests", type=int, default=200, help="requests in a block")
    parser.add_argument("--rounds", type=int, default=5, help="blocks of each side")
    parser.add_argument("--warmup", type=int, default=50)
    parser.add_argument("--output", type=Path, help="write the results as JSON to this file, too")
    options = parser.parse_args(argv)
    results = {
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
        "results": run(options),
    }
    text = json.dumps(results, indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
