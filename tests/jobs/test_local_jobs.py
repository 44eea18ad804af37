"""Jobs: results, errors, progress, cancel, memory limits, crashes, and what other processes see."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from rightsized.core.errors import DataError, JobError, NotFoundError
from rightsized.core.types import Interval
from rightsized.jobs.local import LocalJobs, run_in_child
from rightsized.jobs.table import JobFolder, Process
from rightsized.store.home import Home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    return Home(tmp_path / "home")


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def start(jobs: LocalJobs, function: str, **arguments: object) -> str:
    return jobs.start("test", entry=f"job_functions:{function}", arguments=arguments)


def test_a_result_comes_back_with_its_progress(home: Home) -> None:
    steps: list[tuple[str, int, int]] = []
    result = run_in_child(
        home,
        "count",
        entry="job_functions:count",
        arguments={"n": 500},
        result_type=Interval,
        progress=lambda *step: steps.append(step),
    )
    assert result.value == 500
    assert result.n != os.getpid()
    assert {stage for stage, _, _ in steps} == {"read", "write"}
    assert ("read", 500, 500) in steps
    assert steps[-1] == ("write", 500, 500)
    assert len(steps) < 500  # most steps are not worth a line
    (status,) = LocalJobs(home).all()
    assert (status.kind, status.state, status.stage, status.done, status.total) == ("count", "done", "write", 500, 500)
    assert status.ended >= status.created
    folder = JobFolder(home.jobs / status.id)
    assert folder.last_words() == "counted"
    assert not folder.checkpoint.exists()


def test_errors_keep_their_class_and_their_fix(home: Home) -> None:
    with pytest.raises(DataError, match="Row 3 has no label") as caught:
        run_in_child(home, "test", entry="job_functions:refuse", arguments={}, result_type=Interval)
    assert caught.value.fix == "Fill it in."
    with pytest.raises(JobError, match="ZeroDivisionError: oh no") as unplanned:
        run_in_child(home, "test", entry="job_functions:break_down", arguments={}, result_type=Interval)
    output = Path(unplanned.value.fix.removeprefix("The full account is in ").removesuffix("."))
    assert "Traceback" in output.read_text()
    for entry in ("job_functions:nothing", "no_such_module:f", "job_functions"):
        with pytest.raises(JobError, match=entry):
            run_in_child(home, "test", entry=entry, arguments={}, result_type=Interval)
    assert [status.state for status in LocalJobs(home).all()] == ["failed"] * 5


def test_a_crash_says_which_signal_and_the_last_words(home: Home) -> None:
    with pytest.raises(JobError, match=r"SIGSEGV.*about to read address 0"):
        run_in_child(home, "test", entry="job_functions:crash", arguments={}, result_type=Interval)
    with pytest.raises(JobError, match=r"ended without a result.*first\nlast line"):
        run_in_child(home, "test", entry="job_functions:leave", arguments={}, result_type=Interval)


@pytest.mark.parametrize("at_once", [False, True])
def test_the_memory_limit_is_named(home: Home, at_once: bool) -> None:
    with pytest.raises(JobError, match="more memory than its limit of 200 MB"):
        run_in_child(
            home,
            "fit",
            entry="job_functions:fill_memory",
            arguments={"at_once": at_once},
            result_type=Interval,
            memory_mb=200,
        )


def test_cancel_stops_a_polite_job_and_kills_a_stubborn_one_with_its_children(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rightsized.jobs.local.GRACE_SECONDS", 0.5)
    jobs = LocalJobs(home, at_once=2)
    polite, stubborn = start(jobs, "sleep"), start(jobs, "sleep", stubborn=True)
    grandchild = home.jobs / stubborn / "checkpoint" / "grandchild"
    until(lambda: all(jobs.status(job).stage == "sleep" for job in (polite, stubborn)))
    until(grandchild.exists)
    for job in (polite, stubborn):
        assert jobs.status(job).state == "running"
        jobs.cancel(job)
    assert {jobs.wait(job, 30).state for job in (polite, stubborn)} == {"cancelled"}
    until(lambda: not psutil.pid_exists(int(grandchild.read_text())) or _zombie(int(grandchild.read_text())))
    with pytest.raises(JobError, match="cancelled"):
        jobs.result(polite, Interval)
    with pytest.raises(JobError, match="already ended"):
        jobs.cancel(polite)


def _zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_one_at_a_time_and_a_waiting_job_can_be_cancelled(home: Home) -> None:
    jobs = LocalJobs(home)
    first, second, third = start(jobs, "sleep"), start(jobs, "sleep"), start(jobs, "count", n=3)
    until(lambda: jobs.status(first).state == "running")
    assert [status.id for status in jobs.all()] == [third, second, first]
    assert [jobs.status(job).state for job in (second, third)] == ["waiting", "waiting"]
    jobs.cancel(second)
    jobs.cancel(first)
    assert jobs.wait(third, 30).state == "done"
    assert jobs.result(third, Interval).value == 3
    assert [jobs.status(job).state for job in (first, second)] == ["cancelled", "cancelled"]


def test_a_job_goes_on_when_its_starter_is_killed(home: Home) -> None:
    code = (
        "import sys, time; from rightsized.jobs.local import LocalJobs; from rightsized.store.home import Home\n"
        "jobs = LocalJobs(Home(sys.argv[1])); running = jobs.start('t', entry='job_functions:sleep', arguments={})\n"
        "waiting = jobs.start('t', entry='job_functions:sleep', arguments={})\n"
        "print(running, waiting, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, str(home.path)], stdout=subprocess.PIPE, text=True)
    running, waiting = starter.stdout.readline().split()
    jobs = LocalJobs(home)
    until(lambda: jobs.status(running).stage == "sleep")
    starter.kill()
    starter.communicate()
    assert jobs.status(running).state == "running"
    until(lambda: jobs.status(waiting).state == "failed")
    assert "without a result" in jobs.status(waiting).error
    jobs.cancel(running)
    assert jobs.wait(running, 30).state == "cancelled"


def test_a_job_whose_process_vanished_reads_failed(home: Home) -> None:
    jobs = LocalJobs(home)
    job = start(jobs, "sleep")
    until(lambda: jobs.status(job).stage == "sleep")
    os.killpg(JobFolder(home.jobs / job).read("process.json", Process).pid, signal.SIGKILL)
    assert jobs.wait(job, 30).state == "failed"
    assert "SIGKILL (the machine may be out of memory)" in jobs.status(job).error
    assert LocalJobs(home).status(job) == jobs.status(job)


def test_an_interrupted_wait_stops_the_job(home: Home) -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_in_child(home, "test", entry="job_functions:sleep", arguments={}, result_type=Interval, progress=interrupt)
    assert [status.state for status in LocalJobs(home).all()] == ["cancelled"]


def test_a_failed_job_is_taken_up_from_its_checkpoint(home: Home) -> None:
    jobs = LocalJobs(home)
    first = start(jobs, "resumable")
    assert jobs.wait(first, 30).state == "failed"
    second = jobs.start("test", entry="job_functions:resumable", arguments={}, resume=first)
    jobs.wait(second, 30)
    assert jobs.result(second, int) == 42


def test_arguments_stay_off_the_disk_and_old_folders_go(home: Home) -> None:
    jobs = LocalJobs(home)
    done = [start(jobs, "count", n=1, secret="my account is 12345") for _ in range(3)]
    for job in done:
        jobs.wait(job, 30)
    assert not any(b"12345" in path.read_bytes() for path in home.jobs.rglob("*") if path.is_file())
    jobs._table.prune(keep=1)
    assert [status.id for status in jobs.all()] == [done[2]]
    for unknown in (done[0], "../../etc", "x" * 200):
        with pytest.raises(NotFoundError):
            jobs.status(unknown)
