"""Objects of the end-to-end tests: small real runs on two claims, one for data and one for models."""

from __future__ import annotations

import csv
import io
import random
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx

from e2e.kubectl import Kubectl

API = "pintle.dev/v1alpha1"
Obj = dict[str, Any]
ROW = {"carrier": "AA", "hour": 12, "wind": 5.5}

# Learns a logistic regression in about a second; `c` is the hyperparameter that tests change.
TRAIN = """
import pintle.train as pintle
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

rows = pintle.load("Train")
columns = ColumnTransformer([
    ("carrier", OneHotEncoder(handle_unknown="ignore"), ["carrier"]),
    ("numbers", "passthrough", ["hour", "wind"]),
])
model = make_pipeline(columns, LogisticRegression(C=float(pintle.hyperparameters().get("c", 1)), max_iter=500))
model.fit(rows[["carrier", "hour", "wind"]], rows["late"])
pintle.log(step=1, rows=len(rows))
pintle.save(model)
"""


def config_map(name: str, **files: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {key.replace("_", "."): value for key, value in files.items()},
    }


def secret(name: str, values: Mapping[str, str]) -> Obj:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": dict(values)}


def claim(name: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


def months(count: int = 4, rows: int = 1500, seed: int = 1, broken: str | None = None) -> dict[str, str]:
    """CSV texts of monthly partitions `2013-01.csv` ...; lateness depends on carrier, hour and wind.

    `broken` names a partition in which the column `wind` holds words.
    """
    rng = random.Random(seed)
    files = {}
    for month in range(1, count + 1):
        start = datetime(2013, month, 1)
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["flight", "time", "carrier", "hour", "wind", "late"])
        name = f"2013-{month:02d}"
        for index in range(rows):
            when = start + timedelta(minutes=index * 27 * 24 * 60 / rows)
            carrier, hour, wind = rng.choice(["AA", "UA", "B6"]), when.hour, round(rng.uniform(0, 30), 1)
            score = -1.5 + 0.08 * hour + 0.05 * wind + (0.8 if carrier == "B6" else 0)
            late = int(rng.random() < 1 / (1 + 2.718281828 ** (-score + 0.7)))
            value = "gale" if name == broken else wind
            writer.writerow([f"{name}-{index}", when.isoformat() + "Z", carrier, hour, value, late])
        files[f"{name}.csv"] = out.getvalue()
    return files


def restricted_pod(name: str, image: str, command: list[str], volumes: Mapping[str, Mapping[str, Any]]) -> Obj:
    """A pod that Pod Security "restricted" admits; `volumes` maps mount paths to volume sources."""
    names = {path: f"v{index}" for index, path in enumerate(volumes)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "runAsGroup": 10001,
                "fsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "main",
                    "image": image,
                    "command": command,
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                    },
                    "volumeMounts": [{"name": names[path], "mountPath": path} for path in volumes],
                }
            ],
            "volumes": [{"name": names[path], **source} for path, source in volumes.items()],
        },
    }


def load_claim(kube: Kubectl, image: str, files: Mapping[str, str], name: str = "data") -> None:
    """Makes the claims `data` and `models` and puts the files below `months/` of the claim `data`."""
    kube.apply(claim(name), claim("models"))
    for file, text in files.items():
        kube.apply({**config_map(f"load-{file.split('.')[0]}"), "data": {file: text}})
    sources = [{"configMap": {"name": f"load-{file.split('.')[0]}"}} for file in files]
    script = (
        "import pathlib, shutil\n"
        "out = pathlib.Path('/data/months'); out.mkdir(exist_ok=True)\n"
        "for path in sorted(pathlib.Path('/in').glob('*.csv')): shutil.copyfile(path, out / path.name)\n"
    )
    volumes = {"/in": {"projected": {"sources": sources}}, "/data": {"persistentVolumeClaim": {"claimName": name}}}
    kube.apply(restricted_pod("load", image, ["python", "-c", script], volumes))
    kube.run("wait", "pod/load", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=120s", timeout=130)
    kube.run("delete", "pod", "load", "--wait=false")


def training_job(name: str = "late", **spec: Any) -> Obj:
    """Trains on the two months before the newest and judges on the newest; `spec` overrides fields."""
    default: Obj = {
        "source": {"configMapRef": {"name": "code"}},
        "datasets": [
            {
                "name": "train",
                "role": "Train",
                "storageUri": "pvc://data/months",
                "select": {"partition": "{yyyy}-{MM}", "latest": 2, "skip": 1},
            },
            {
                "name": "evaluate",
                "role": "Evaluate",
                "storageUri": "pvc://data/months",
                "select": {"partition": "{yyyy}-{MM}", "latest": 1},
            },
        ],
        "schema": {
            "target": "late",
            "timeColumn": "time",
            "keyColumn": "flight",
            "features": [
                {"name": "carrier", "type": "String", "required": True},
                {"name": "hour", "type": "Number", "required": True, "min": "0", "max": "23"},
                {"name": "wind", "type": "Number", "required": True},
            ],
        },
        "hyperparameters": [{"name": "c", "value": "1"}],
        "gates": [{"metric": "auc", "min": "0.55"}],
        "backoffLimit": 0,
        "output": {"storageUri": "pvc://models"},
    }
    return {"apiVersion": API, "kind": "TrainingJob", "metadata": {"name": name}, "spec": {**default, **spec}}


def model_deployment(name: str = "late", path: str | None = None, **spec: Any) -> Obj:
    """Serves `late`; through the gateway below `path` when there is one."""
    default: Obj = {"modelName": "late", "follow": "Latest"}
    if path:
        refs = [{"name": "pintle", "namespace": "pintle-gateway"}]
        default["traffic"] = {"gateway": {"parentRefs": refs, "path": path}}
    if "version" in spec:
        default.pop("follow")
    return {"apiVersion": API, "kind": "ModelDeployment", "metadata": {"name": name}, "spec": {**default, **spec}}


def served(url: str, http: httpx.Client, seconds: float = 10) -> bool:
    """Waits until the gateway knows the route: it says Accepted a moment earlier, and answers 404 until then."""
    deadline = time.monotonic() + seconds
    while http.get(f"{url}/v2/health/ready").status_code == 404:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)  # between two requests, until the condition is met
    return True
