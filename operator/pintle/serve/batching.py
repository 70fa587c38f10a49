"""Turn batching: requests whose bodies were complete in the same turn of the event loop become one call of the model.

No timer: an idle server answers at once, a busy one fills its batches while the model runs. A batch that is expected to
take longer than SLOW_SECONDS runs in the one worker thread, so that health probes are answered meanwhile; what comes in
then waits and becomes the next batch.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pintle.serve.answers import refusal, unanswered
from pintle.serve.http import SERVER_ERROR, Overloaded, Rejected
from pintle.serve.models import Batch, Model, Prediction
from pintle.serve.report import log
from pintle.serve.rows import Rows, join
from pintle.serve.share import Answers, Share

SLOW_SECONDS = 0.002
SMOOTHING = 0.2

Observe = Callable[[Batch, Prediction], None]


class Job:
    """Rows of one request on their way through the model; `done` is called once, `judged` rows are observed."""

    __slots__ = ("answered", "deadline", "judged", "rows")

    def __init__(self, rows: Rows, deadline: float, judged: bool) -> None:
        self.rows = rows
        self.deadline = deadline
        self.judged = judged
        self.answered = False

    def done(self, outcome: Share | Rejected) -> None:
        """The answers to the rows, or why there are none."""
        raise NotImplementedError

    def finish(self, outcome: Share | Rejected) -> None:
        if not self.answered:
            self.answered = True
            self.done(outcome)


class Batcher:
    """The queue before a model. All methods belong to the event loop's thread; times are time.perf_counter()."""

    def __init__(
        self,
        model: Model,
        observe: Observe,
        *,
        batch_rows: int,
        queue_requests: int,
        queue_rows: int,
        explain: Callable[[Batch], Prediction] | None = None,
    ) -> None:
        """`explain` answers rows that are to be explained."""
        self._model = model
        self._explain = explain or model.predict
        self._width = len(model.inputs.numbers)
        self._observe = observe
        self._batch_rows = batch_rows
        self._queue_requests = queue_requests
        self._queue_rows = queue_rows
        self._waiting: deque[Job] = deque()
        self._running: list[Job] = []
        self._open_rows = 0
        self._loop = asyncio.get_running_loop()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="predict")
        self._flush_planned = False
        self._sweep_at = math.inf
        self._sweeper: asyncio.TimerHandle | None = None
        self._row_seconds = 0.0
        self._call_seconds = 0.0

    def submit(self, job: Job) -> None:
        """Have its rows predicted; rows that are not `judged` are answered like all others. Raises Overloaded."""
        rows, deadline = job.rows.count, job.deadline
        full = len(self._waiting) + len(self._running) >= self._queue_requests
        if full or (self._open_rows and self._open_rows + rows > self._queue_rows):
            raise Overloaded
        self._waiting.append(job)
        self._open_rows += rows
        if not self._flush_planned and not self._running:
            self._flush_planned = True
            self._loop.call_soon(self._flush)
        if deadline < self._sweep_at:
            self._plan_sweep(deadline)

    def close(self) -> None:
        """Let the worker thread end, and nothing hold what was asked and answered."""
        self._worker.shutdown(wait=False, cancel_futures=True)
        if self._sweeper is not None:
            self._sweeper.cancel()

    def _flush(self) -> None:
        """Run the next batch, unless one is running; its end flushes again."""
        self._flush_planned = False
        if self._running:
            return
        jobs = self._take()
        if not jobs:
            return
        self._running = jobs
        count = sum(job.rows.count for job in jobs)
        if jobs[0].rows.explain or self._call_seconds + count * self._row_seconds > SLOW_SECONDS:
            future = self._loop.run_in_executor(self._worker, self._predict, jobs)
            future.add_done_callback(lambda done: self._finished(jobs, done.result()))
        else:
            self._finished(jobs, self._predict(jobs))

    def _take(self) -> list[Job]:
        jobs: list[Job] = []
        count = 0
        while self._waiting:
            job = self._waiting[0]
            if jobs and (count + job.rows.count > self._batch_rows or job.rows.explain or jobs[0].rows.explain):
                break
            self._waiting.popleft()
            if job.answered:
                self._open_rows -= job.rows.count
                continue
            jobs.append(job)
            count += job.rows.count
        return jobs

    def _predict(self, jobs: list[Job]) -> tuple[Batch, Prediction] | Exception:
        """In the loop or the worker thread, one at a time."""
        begin = time.perf_counter()
        try:
            batch = join([job.rows for job in jobs], self._width)
            if jobs[0].rows.explain:
                return batch, self._explain(batch)
            prediction = self._model.predict(batch)
        except Exception as error:
            return error
        self._learn(len(batch), time.perf_counter() - begin)
        return batch, prediction

    def _learn(self, rows: int, seconds: float) -> None:
        """Expect of the next batch what the last ones took: one row tells the cost of a call, many that of a row."""
        if rows == 1:
            self._call_seconds += SMOOTHING * (seconds - self._call_seconds)
        else:
            row = max(0.0, seconds - self._call_seconds) / rows
            self._row_seconds += SMOOTHING * (row - self._row_seconds)

    def _finished(self, jobs: list[Job], outcome: tuple[Batch, Prediction] | Exception) -> None:
        self._running = []
        self._open_rows -= sum(job.rows.count for job in jobs)
        if isinstance(outcome, Exception):
            self._failed(jobs, outcome)
        else:
            self._answer(jobs, *outcome)
        if self._waiting and not self._flush_planned:
            self._flush_planned = True
            self._loop.call_soon(self._flush)

    def _answer(self, jobs: list[Job], batch: Batch, prediction: Prediction) -> None:
        """To each job its rows' answers, or why one of them has none; what was answered and is judged is observed."""
        none = unanswered(prediction)
        answers = Answers(prediction)
        observed = []
        start = 0
        for job in jobs:
            stop = start + job.rows.count
            if none is None:
                observed.append(job.judged and not job.answered)
                job.finish(Share(answers, start, stop))
                start = stop
                continue
            lacking = None if none is None else none[(none >= start) & (none < stop)]
            refused = lacking is not None and len(lacking) > 0
            observed.append(job.judged and not job.answered and not refused)
            if lacking is not None and refused:
                job.finish(refusal(self._model.inputs, batch, lacking, start))
            else:
                job.finish(Share(answers, start, stop))
            start = stop
        if all(observed):
            self._observe(batch, prediction)
        elif any(observed):
            rows = np.flatnonzero(np.repeat(observed, [job.rows.count for job in jobs]))
            self._observe(batch.take(rows), prediction.take(rows))

    def _failed(self, jobs: list[Job], error: Exception) -> None:
        """One request's rows must not fail the others of its batch: run each alone, then it is its own fault."""
        if len(jobs) > 1:
            for job in jobs:
                alone = self._predict([job])
                self._open_rows += job.rows.count  # as `_finished` takes it off again
                self._finished([job], alone)
            return
        log("predict failed", "error", error=repr(error)[:500], rows=jobs[0].rows.count)
        jobs[0].finish(Rejected(500, "the model failed to answer these rows", SERVER_ERROR))

    def _plan_sweep(self, deadline: float) -> None:
        self._sweep_at = deadline
        self._sweeper = self._loop.call_later(max(0.0, deadline - time.perf_counter()) + 0.001, self._sweep)

    def _sweep(self) -> None:
        """Answer what has waited too long; its prediction, if it still comes, is dropped."""
        now = time.perf_counter()
        self._sweep_at = earliest = math.inf
        for job in (*self._running, *self._waiting):
            if job.answered:
                continue
            if job.deadline <= now:
                job.finish(Rejected(504, "no answer in time: the server is too busy", SERVER_ERROR))
            else:
                earliest = min(earliest, job.deadline)
        if earliest < math.inf:
            self._plan_sweep(earliest)
