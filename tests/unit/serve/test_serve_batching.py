"""The queue before the model: batches, limits, time-outs and faults."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
from pintle.contract.manifest import Feature
from pintle.serve.batching import Batcher, Job
from pintle.serve.http import Overloaded, Rejected
from pintle.serve.models import Batch, Inputs, Prediction
from pintle.serve.rows import Rows
from pintle.serve.share import Share


class FakeModel:
    """Answers with the first number of each row; remembers its batches and the threads it ran in."""

    inputs = Inputs((Feature("x"),))
    matrix_input = None

    def __init__(self) -> None:
        self.batches: list[list[float]] = []
        self.threads: list[str] = []
        self.before: Callable[[], None] = lambda: None

    def predict(self, batch: Batch) -> Prediction:
        self.batches.append(batch.numbers[:, 0].tolist())
        self.threads.append(threading.current_thread().name)
        self.before()
        if (batch.numbers < 0).any():
            raise ValueError("negative")
        return Prediction(batch.numbers[:, 0])


class Sent(Job):
    """Gives its outcome to a future."""

    def __init__(self, rows: Rows, deadline: float, judged: bool, answer: asyncio.Future[Any]) -> None:
        super().__init__(rows, deadline, judged)
        self._answer = answer

    def done(self, outcome: Share | Rejected) -> None:
        self._answer.set_result(outcome.prediction if isinstance(outcome, Share) else outcome)


class Bench:
    """A batcher around a FakeModel, and the answers it gave."""

    def __init__(self, **limits: int) -> None:
        self.model = FakeModel()
        self.observed: list[float] = []
        settings = {"batch_rows": 8, "queue_requests": 100, "queue_rows": 1_000, **limits}
        self.batcher = Batcher(self.model, self._observe, **settings)

    def _observe(self, batch: Batch, prediction: Prediction) -> None:
        assert prediction.score.tolist() == batch.numbers[:, 0].tolist()
        self.observed += prediction.score.tolist()

    def send(self, *values: float | None, seconds: float = 5, judged: bool = True) -> asyncio.Future[Any]:
        """Submit one request of rows with these values."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        with np.errstate(over="ignore"):
            rows = Rows(len(values), np.array(values, dtype=np.float32).tobytes(), [])

        self.batcher.submit(Sent(rows, time.perf_counter() + seconds, judged, answer))
        return answer


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    made.batcher.close()


async def test_requests_of_one_turn_share_a_batch(bench: Bench) -> None:
    """One call of the model for all that came together, each request getting its own rows back."""
    answers = await asyncio.gather(*(bench.send(*values) for values in ((1, 2), (3,), (4, 5, 6))))
    assert [answer.score.tolist() for answer in answers] == [[1, 2], [3], [4, 5, 6]]
    assert bench.model.batches == [[1, 2, 3, 4, 5, 6]]
    assert bench.observed == [1, 2, 3, 4, 5, 6]


async def test_rows_that_are_not_judged_are_answered_and_not_observed(bench: Bench) -> None:
    """They share the batch with the others, who alone are counted."""
    requests = [bench.send(1, 2), bench.send(3, judged=False), bench.send(4)]
    answers = await asyncio.gather(*requests)
    assert [answer.score.tolist() for answer in answers] == [[1, 2], [3], [4]]
    assert bench.model.batches == [[1, 2, 3, 4]]
    assert bench.observed == [1, 2, 4]
    await bench.send(5, judged=False)
    assert bench.observed == [1, 2, 4]


async def test_a_batch_is_bounded_and_a_large_request_runs_alone(bench: Bench) -> None:
    """Batches end at batch_rows; a request above it is one batch."""
    await asyncio.gather(bench.send(*range(5)), bench.send(*range(5)), bench.send(*range(20)))
    assert [len(batch) for batch in bench.model.batches] == [5, 5, 20]


async def test_a_full_queue_refuses_with_retry_after() -> None:
    """Beyond its limits a request is refused at once, and what waits is answered."""
    bench = Bench(queue_requests=2, queue_rows=4)
    waiting = [bench.send(1), bench.send(2)]
    with pytest.raises(Overloaded) as refused:
        bench.send(3)
    assert (refused.value.status, refused.value.headers) == (503, ((b"retry-after", b"1"),))
    await asyncio.gather(*waiting)
    waiting = [bench.send(1, 2, 3)]
    with pytest.raises(Overloaded):
        bench.send(4, 5)
    await asyncio.gather(*waiting)
    assert (await bench.send(*range(6))).score.tolist() == [0, 1, 2, 3, 4, 5], "one large request on an idle server"
    assert (await bench.send(1, 2, 3)).score.tolist() == [1, 2, 3], "the queue is empty again"
    bench.batcher.close()


async def test_a_fault_of_one_request_fails_only_that_one(bench: Bench) -> None:
    """When a batch fails, its requests run alone and only the guilty one gets a 500."""
    good, bad, other = await asyncio.gather(bench.send(1), bench.send(-1), bench.send(2, 3))
    assert good.score.tolist() == [1]
    assert isinstance(bad, Rejected)
    assert bad.status == 500
    assert other.score.tolist() == [2, 3]
    assert bench.observed == [1, 2, 3]
    assert (await bench.send(*range(9))).score.size == 9, "the queue is not left full"


async def test_a_slow_model_runs_in_a_thread_and_the_loop_stays_free(bench: Bench) -> None:
    """After the first slow batches the loop goes on while the model runs, and what waits becomes one batch."""
    bench.model.before = lambda: time.sleep(0.02)
    for _ in range(2):
        await bench.send(1)
    running, release = threading.Event(), threading.Event()

    def block() -> None:
        running.set()
        assert release.wait(5)

    bench.model.before = block
    first = bench.send(1)
    await asyncio.to_thread(running.wait, 5)
    bench.model.before = lambda: None
    others = [bench.send(value) for value in (2, 3, 4)]
    await asyncio.sleep(0)
    assert not first.done(), "the loop turned while the model ran"
    release.set()
    await asyncio.gather(first, *others)
    assert bench.model.batches[-1] == [2, 3, 4]
    assert bench.model.threads[-2].startswith("predict")


async def test_a_request_is_answered_when_its_time_is_up(bench: Bench) -> None:
    """A model that hangs costs its caller the time-out and not more; the late prediction is dropped."""
    bench.model.before = lambda: time.sleep(0.02)
    for _ in range(2):
        await bench.send(1)
    release = threading.Event()
    bench.model.before = lambda: np.testing.assert_equal(release.wait(5), True)
    first, second = bench.send(1, seconds=0.05), bench.send(2, seconds=0.1)
    for answer in (await first, await second):
        assert isinstance(answer, Rejected)
        assert answer.status == 504
    bench.model.before = lambda: None
    release.set()
    assert (await bench.send(7)).score.tolist() == [7]
    assert [7.0] in bench.model.batches
    assert bench.observed == [1, 1, 7], "what nobody was answered is not counted"


async def test_a_row_without_an_answer_refuses_its_own_request_only(bench: Bench) -> None:
    """NaN from the model: the request that holds the row hears which row and column, its batch mates get answers."""
    good, bad, other = await asyncio.gather(bench.send(1), bench.send(2, None, None), bench.send(3))
    assert (good.score.tolist(), other.score.tolist()) == ([1], [3])
    assert isinstance(bad, Rejected)
    assert (bad.status, bad.result) == (422, "schema_rejected")
    assert bad.message.startswith("row 1: the model answers no number where x is missing (and 1 more rows)")
    assert bench.observed == [1, 3], "what was not answered is in no bin"
    assert len(bench.model.batches) == 1, "nothing is computed twice"


async def test_a_value_beyond_float32_is_named(bench: Bench) -> None:
    """What float32 cannot hold is infinite to a model, and an infinite answer is none."""
    found = await bench.send(1e39)
    assert found.status == 422
    assert "x is infinite in float32" in found.message


async def test_a_model_that_answers_nan_to_good_values_is_at_fault(bench: Bench) -> None:
    """500, as no other value would help the client."""
    bench.model.predict = lambda batch: Prediction(np.full(len(batch), np.nan, dtype=np.float32))  # type: ignore[method-assign]
    found = await bench.send(1)
    assert (found.status, found.result) == (500, "server_error")
    assert bench.observed == []
