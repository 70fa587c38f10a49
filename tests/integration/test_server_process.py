"""The real server process on loopback: start, answers, limits, drain under load, restart."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.serve import artifacts
from tests.unit.serve.process import ServerProcess, value

INFER = "/v2/models/delays/infer"
ROW = {"carrier": "AA", "hour": 3, "wind": 5.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return artifacts.make_classifier(tmp_path_factory.mktemp("server") / "model")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    with ServerProcess(folder) as process:
        yield process.ready()


@pytest.fixture
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=10) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/models/delays/ready", {"name": "delays", "ready": True}),
        ("/v2/models/delays/versions/3/ready", {"name": "delays", "ready": True}),
    ],
)
def test_health_routes_answer(http: httpx.Client, path: str, expected: dict[str, Any]) -> None:
    """Once ready, every health route says so; HEAD gives the head alone."""
    answer = http.get(path)
    assert (answer.status_code, answer.json()) == (200, expected)
    assert http.head(path).content == b""


def test_a_server_that_has_just_become_ready_has_counted_nothing(folder: Path) -> None:
    """What it asked itself before is no traffic: nobody judges a revision by it."""
    with ServerProcess(folder) as fresh:
        counted = fresh.ready().metrics()
    names = ("model_requests_total", "model_predictions_total", "model_feature_bin_total", "model_prediction_bin_total")
    assert {name: sum(counted[name].values()) for name in names} == dict.fromkeys(names, 0)


def test_metadata_routes_answer(http: httpx.Client) -> None:
    """Server and model introduce themselves as the protocol says."""
    assert http.get("/v2").json()["name"] == "pintle"
    found = http.get("/v2/models/delays").json()
    assert found == http.get("/v2/models/delays/versions/3").json()
    assert [item["name"] for item in found["inputs"]] == ["carrier", "hour", "wind", "gusts"]


def test_predictions_over_http(http: httpx.Client) -> None:
    """/predict and infer give the same probabilities, chunked or with a length."""
    by_name = http.post("/predict", json={"rows": [ROW]}).json()["predictions"][0]["probabilities"]
    chunked = http.post(
        "/predict",
        content=iter([b'{"rows":', json.dumps([ROW]).encode(), b"}"]),
        headers={"content-type": "application/json"},
    )
    assert chunked.json()["predictions"][0]["probabilities"] == by_name
    inputs = [
        {"name": "carrier", "shape": [1, 1], "datatype": "BYTES", "data": ["AA"]},
        {"name": "hour", "shape": [1], "datatype": "INT64", "data": [3]},
        {"name": "wind", "shape": [1, 1], "datatype": "FP32", "data": [[5.5]]},
    ]
    outputs = http.post(INFER, json={"inputs": inputs}).json()["outputs"]
    assert dict(zip(by_name, outputs[1]["data"], strict=True)) == by_name


def test_errors_leave_the_connection_usable(http: httpx.Client) -> None:
    """400, 404, 405, 415 with {"error"}; the next request on the same connection is answered."""
    for status, answer in (
        (400, http.post("/predict", json={"rows": [{**ROW, "wind": "gale"}]})),
        (400, http.post("/predict", content=b"{", headers={"content-type": "application/json"})),
        (404, http.get("/v2/models/other")),
        (405, http.get("/predict")),
        (415, http.post("/predict", content=b"a=1", headers={"content-type": "text/plain"})),
    ):
        assert answer.status_code == status, answer.text
        assert answer.json()["error"]
    assert http.post("/predict", json={"rows": [ROW]}).status_code == 200


def test_the_metrics_port_has_nothing_else(server: ServerProcess, http: httpx.Client) -> None:
    """/metrics is on its own port only, and that port answers no predictions."""
    assert http.get("/metrics").status_code == 404
    assert httpx.post(server.metrics_url.replace("/metrics", "/predict"), json={"rows": [ROW]}).status_code == 404


def test_metrics_equal_what_was_sent(folder: Path) -> None:
    """Requests, rows and every bin, exactly; a restarted server begins at zero again."""
    rng = random.Random(5)
    carriers = ["AA", "DL", "B6", "ZZ", None]
    with ServerProcess(folder) as server, httpx.Client(base_url=server.ready().url) as http:
        sent: list[dict[str, Any]] = []
        for _ in range(60):
            rows = [
                {"carrier": rng.choice(carriers), "hour": rng.randrange(24), "wind": rng.choice([None, 1.0, 5.0, 99.0])}
                for _ in range(rng.randrange(1, 4))
            ]
            assert http.post("/predict", json={"rows": rows}).status_code == 200
            sent += rows
        for _ in range(3):
            http.post("/predict", json={"rows": [{"hour": "?"}]}, headers={"pintle-route": "direct"})
        found = server.metrics()
    assert value(found, "model_requests_total", result="ok", route="default") == 60
    assert value(found, "model_requests_total", result="schema_rejected", route="direct") == 3
    assert value(found, "model_request_duration_seconds_count") == 60
    assert value(found, "model_predictions_total") == len(sent)
    assert sum(found["model_prediction_bin_total"].values()) == len(sent)
    profile = dict(next(iter(found["model_feature_bin_total"])))["profile"]
    bins = {"AA": "AA", "DL": "DL", "B6": "rare", "ZZ": "unseen", None: "missing"}
    for carrier, name in bins.items():
        counted = value(found, "model_feature_bin_total", profile=profile, feature="carrier", bin=name)
        assert counted == sum(row["carrier"] == carrier for row in sent), name
    for wind, name in {None: "missing", 1.0: "00", 5.0: "01", 99.0: "03"}.items():
        counted = value(found, "model_feature_bin_total", profile=profile, feature="wind", bin=name)
        assert counted == sum(row["wind"] == wind for row in sent), name
    with ServerProcess(folder) as restarted:
        found = restarted.ready().metrics()
        assert {
            count
            for counts in (found["model_feature_bin_total"], found["model_requests_total"])
            for count in counts.values()
        } == {0}


def test_a_body_over_the_limit_is_refused_and_memory_stays(folder: Path) -> None:
    """413 by the length or while it streams; the body is never held."""

    def endless() -> Iterator[bytes]:
        for _ in range(512):
            yield b" " * 65_536

    headers = {"content-type": "application/json"}
    with ServerProcess(folder, PINTLE_MAX_BODY_BYTES="100000") as server:
        with httpx.Client(base_url=server.ready().url) as http:
            before = resident_kib(server)
            assert http.post("/predict", content=b" " * 100_001, headers=headers).status_code == 413
            answer = http.post("/predict", content=endless(), headers=headers)
            assert answer.status_code == 413
            assert "100000" in answer.json()["error"]
            assert http.post("/predict", json={"rows": [ROW]}).status_code == 200
            assert resident_kib(server) - before < 16_000
        found = server.metrics()
    assert value(found, "model_requests_total", result="client_rejected", route="default") == 2


def test_a_body_that_never_ends_is_answered_with_a_time_out(folder: Path) -> None:
    """A slow client gets 408 and does not hold the others up."""
    with ServerProcess(folder, PINTLE_REQUEST_SECONDS="0.3") as server:
        port = server.ready().wait_for("listening")["http"]
        with socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
            slow.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
            assert httpx.post(server.url + "/predict", json={"rows": [ROW]}).status_code == 200
            assert slow.recv(64).startswith(b"HTTP/1.1 408 ")


def test_a_model_that_answers_otherwise_is_never_ready(folder: Path, tmp_path: Path) -> None:
    """The process ends with 66 and says which row differs; readiness was never given."""
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    example = json.loads((broken / "example.json").read_text())
    example["answers"][2] += 0.01
    data = json.dumps(example).encode()
    manifest = json.loads((broken / "manifest.json").read_text())
    manifest["files"]["example.json"] = {"sha256": artifacts.hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (broken / "example.json").write_bytes(data)
    (broken / "manifest.json").write_text(json.dumps(manifest))
    with ServerProcess(broken, PINTLE_TERMINATION_LOG=str(tmp_path / "log")) as server:
        assert server.exit_code() == 66
        assert server.wait_for("stopped")["exit"] == 66
    result = json.loads((tmp_path / "log").read_text())
    assert (result["phase"], result["reason"]) == ("serve", "AnswersDiffer")
    assert "row 2" in result["message"]
    assert all(line["event"] != "ready" for line in server.log)


def test_the_server_reports_to_nobody(folder: Path, tmp_path: Path) -> None:
    """onnxruntime's usage reports are off: it makes no device identifier and leaves nothing in the home folder."""
    with ServerProcess(folder, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path)) as server:
        assert httpx.post(server.ready().url + "/predict", json={"rows": [ROW]}).status_code == 200
        server.terminate()
        assert server.exit_code() == 0
    assert list(tmp_path.rglob("*")) == []


class Balancer:
    """Sends requests to the ready ones of its servers, as endpoints do; counts what got no 200."""

    def __init__(self, urls: list[str]) -> None:
        self.urls = urls
        self.answers: dict[str, int] = dict.fromkeys(urls, 0)
        self.failures: list[str] = []
        self._ready = set(urls)
        self._stopped = asyncio.Event()

    async def run(self, clients: int) -> None:
        """Until `stop`."""
        async with asyncio.timeout(60):
            await asyncio.gather(self._probe(), *(self._client(index) for index in range(clients)))

    def stop(self) -> None:
        self._stopped.set()

    async def wait_for_answers(self, url: str, count: int) -> None:
        """Until that server has given so many."""
        async with asyncio.timeout(30):
            while self.answers[url] < count:
                await asyncio.sleep(0.01)

    async def _probe(self) -> None:
        async with httpx.AsyncClient() as http:
            while not self._stopped.is_set():
                for url in self.urls:
                    try:
                        ready = (await http.get(url + "/v2/health/ready")).status_code == 200
                    except httpx.HTTPError:
                        ready = False
                    (self._ready.add if ready else self._ready.discard)(url)
                await asyncio.sleep(0.05)

    async def _client(self, seed: int) -> None:
        rng = random.Random(seed)
        async with httpx.AsyncClient(timeout=10) as http:
            while not self._stopped.is_set():
                url = rng.choice(sorted(self._ready))
                rows = [{"hour": rng.randrange(24), "wind": rng.random() * 30} for _ in range(rng.choice((1, 1, 20)))]
                try:
                    answer = await http.post(url + "/predict", json={"rows": rows})
                except httpx.HTTPError as error:
                    self.failures.append(f"{url} {error!r}")
                    continue
                if answer.status_code != 200 or len(answer.json()["predictions"]) != len(rows):
                    self.failures.append(f"{url} {answer.status_code} {answer.text[:200]}")
                self.answers[url] += 1
                await asyncio.sleep(rng.random() * 0.005)


async def test_no_request_is_lost_when_a_server_is_told_to_stop_under_load(folder: Path) -> None:
    """SIGTERM to one of two servers: unready first, answers go on with Connection: close, exit 0, no failed request."""
    with ServerProcess(folder, PINTLE_DRAIN_SECONDS="4") as leaving, ServerProcess(folder) as staying:
        balancer = Balancer([leaving.ready().url, staying.ready().url])
        load = asyncio.create_task(balancer.run(clients=8))
        await balancer.wait_for_answers(leaving.url, 50)
        leaving.terminate()
        await asyncio.to_thread(leaving.wait_for, "draining")
        async with httpx.AsyncClient(base_url=leaving.url) as http:
            answer = await http.post("/predict", json={"rows": [ROW]})
            assert (answer.status_code, answer.headers.get("connection")) == (200, "close")
            assert (await http.get("/v2/health/ready")).status_code == 503
            assert (await http.get("/v2/health/live")).status_code == 200
        assert await asyncio.to_thread(leaving.exit_code) == 0
        await balancer.wait_for_answers(staying.url, balancer.answers[staying.url] + 50)
        balancer.stop()
        await load
        assert balancer.failures == []


async def test_an_open_request_is_finished_before_the_exit(folder: Path) -> None:
    """A body that completes after the drain period is still answered; then the process ends with 0."""
    with ServerProcess(folder) as server:
        body = json.dumps({"rows": [ROW]}).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.ready().wait_for("listening")["http"])
        head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body[:5])
        await writer.drain()
        assert httpx.get(server.url + "/v2/health/live").status_code == 200, "the server has read the half request"
        server.terminate()
        assert (await asyncio.to_thread(server.wait_for, "closing"))["open"] == 1
        writer.write(body[5:])
        async with asyncio.timeout(10):
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer
        writer.close()
        assert await asyncio.to_thread(server.exit_code) == 0


def test_health_answers_while_the_model_is_busy(tmp_path: Path) -> None:
    """Large batches run in the worker thread: a probe is answered in well under the time of a batch."""
    folder = artifacts.make_matrix(tmp_path / "slow", columns=4, trees=60)
    with ServerProcess(folder, PINTLE_MAX_ROWS="50000") as server:
        columns = {f"f{index}": [0.1 * index] * 50_000 for index in range(4)}

        async def scenario() -> tuple[float, float]:
            async with httpx.AsyncClient(base_url=server.ready().url, timeout=60) as http:
                await http.post("/predict", json={"columns": {name: found[:2000] for name, found in columns.items()}})
                begin = time.perf_counter()
                large = asyncio.create_task(http.post(INFER, json=infer(columns)))
                waits = []
                while not large.done():
                    probe = time.perf_counter()
                    assert (await http.get("/v2/health/live")).status_code == 200
                    waits.append(time.perf_counter() - probe)
                    await asyncio.sleep(0.01)
                assert large.result().status_code == 200
                return time.perf_counter() - begin, sorted(waits)[len(waits) // 2]

        whole, middle = asyncio.run(scenario())
    assert middle < whole / 4, f"probes took {middle:.3f} s beside a batch of {whole:.3f} s"


def infer(columns: dict[str, list[float]]) -> dict[str, Any]:
    """An infer body of the columns that asks for the probabilities only."""
    inputs = [{"name": name, "shape": [len(data)], "datatype": "FP32", "data": data} for name, data in columns.items()]
    return {"inputs": inputs, "outputs": [{"name": "probabilities"}]}


def resident_kib(server: ServerProcess) -> int:
    """Resident memory of the process."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
