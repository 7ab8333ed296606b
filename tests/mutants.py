"""
The tests are tested: each fault that the guarantees exclude is put back alone, and the suite must fail.

`make test-the-tests` copies the tree, puts one fault in, runs the tests named beside it, and goes on to the next. That
each fault still finds its place in the code is checked with every run of the suite.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
_EXPLORER = "tests/streams/test_explorer.py"
_DIES = f"{_EXPLORER}::test_a_worker_that_ends_at_any_durable_operation_changes_nothing[dies]"
_FROZEN = f"{_EXPLORER}::test_a_worker_that_ends_at_any_durable_operation_changes_nothing[frozen]"
# What pytest answers when tests failed: not when nothing was collected, and not when it broke itself.
TESTS_FAILED = 1


@dataclass(frozen=True)
class Fault:
    """
    A fault: text in a file, what to put in its place, and tests of which one must fail.

    Of a fault with `of_stock` the description names the place in Faust 0.15.3 that has it.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def put_into(self, root: Path) -> None:
        """
        Put the fault into a copy of the tree.

        Raises:
            ValueError: Its place is not there, or not unique.
        """
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: found {text.count(self.old)} times in {self.file}, must be once")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


FAULTS = (
    # -- those of stock Faust 0.15.3
    Fault(
        "commits follow acks, one past what is in work",
        "streams/transport.py",
        "    async def force_commit(self",
        "    async def _unused_force_commit(self",
        (_DIES,),
    ),
    Fault(
        "a flush gives up after 100 ms",
        "streams/outbox.py",
        "            await oldest.wait()\n",
        "            try:\n                await asyncio.wait_for(oldest.wait(), 0.1)\n"
        "            except TimeoutError:\n                return\n",
        ("tests/streams/test_outbox.py", "tests/streams/test_checkpoint.py", _DIES),
    ),
    Fault(
        "a failed send is only logged",
        "streams/outbox.py",
        'fail_stop("send.failed", topic=message.topic(), partition=message.partition(), error=error.str())',
        "print(error.str())",
        ("tests/streams/test_outbox.py",),
    ),
    Fault(
        "states are written before the outputs are durable",
        "streams/checkpoint.py",
        "            await self._sender.durable(barrier)\n            self._still_owner()\n"
        "            if writes:\n                await self._write(writes)\n",
        "            if writes:\n                await self._write(writes)\n"
        "            self._still_owner()\n            await self._sender.durable(barrier)\n",
        ("tests/streams/test_checkpoint.py",),
    ),
    Fault(
        "states are encoded after the wait",
        "streams/checkpoint.py",
        "            writes, offsets = self._take()\n            barrier = self._sender.barrier()\n\n"
        "            await self._sender.durable(barrier)\n",
        "            barrier = self._sender.barrier()\n            await self._sender.durable(barrier)\n"
        "            writes, offsets = self._take()\n",
        (_DIES,),
    ),
    Fault(
        "an exception in a step acknowledges the record",
        "streams/agents.py",
        "        except StepFailed as failed:\n            await self._end_after(failed)\n",
        "        except StepFailed as failed:\n            log.error(repr(failed))\n",
        ("tests/streams/test_poison.py",),
    ),
    Fault(
        "a seek loses the record it seeks to",
        "streams/transport.py",
        "record.offset >= wanted]",
        "record.offset > wanted]",
        ("tests/streams/test_transport.py",),
    ),
    Fault(
        "what was fetched before a seek is delivered after it",
        "streams/transport.py",
        "            if generation != self.app.consumer_generation_id "
        "or seeks != self._seeks or not self.flow_active:\n"
        "                return\n",
        "",
        ("tests/streams/test_transport.py",),
    ),
    Fault(
        "records flow before the tables of their partitions are recovered",
        "streams/transport.py",
        "        if self._ready == self.app.consumer_generation_id:\n            return active\n",
        "        return active\n",
        ("tests/streams/test_transport.py",),
    ),
    Fault(
        "a drain has no limit",
        "streams/transport.py",
        "await asyncio.wait_for(self._drain(), self.drain_timeout_s)",
        "await self._drain()",
        ("tests/streams/test_transport.py",),
    ),
    # -- ours
    Fault(
        "no origin vector",
        "signals/shard.py",
        "        if last is not None and coordinate.offset <= last.offset and coordinate <= last:\n"
        "            return False\n",
        "",
        (_DIES,),
    ),
    Fault(
        "a workspace's state has no `at`",
        "signals/workspace_step.py",
        "not is_new or (workspace is not None and position <= workspace.at)",
        "not is_new",
        (_DIES,),
    ),
    Fault(
        "the vector is written before the states",
        "streams/tables.py",
        "            writes = [(_to_key(key), shard.sealed(key)) for key in shard.dirty]\n"
        "            writes.append((_FENCE, msgspec.msgpack.encode(shard.fence)))\n",
        "            writes = [(_FENCE, msgspec.msgpack.encode(shard.fence))]\n"
        "            writes += [(_to_key(key), shard.sealed(key)) for key in shard.dirty]\n",
        ("tests/streams/test_tables.py", _DIES),
    ),
    Fault(
        "offsets are committed before the states are durable",
        "streams/checkpoint.py",
        "            if writes:\n                await self._write(writes)\n            await self._commit(offsets)\n",
        "            await self._commit(offsets)\n            if writes:\n                await self._write(writes)\n",
        ("tests/streams/test_checkpoint.py",),
    ),
    Fault(
        "recovery takes the last state instead of the furthest",
        "signals/shard.py",
        "            if at_here > at:\n                self.dirty.add(key)\n                return\n",
        "",
        ("tests/signals/test_shard.py",),
    ),
    Fault(
        "a stale owner writes its states",
        "streams/app.py",
        "        if age_s > self._limit_s:\n",
        "        if age_s > 1e9:\n",
        (_FROZEN,),
    ),
    Fault(
        "ids depend on the time of detection",
        "signals/contract.py",
        "        firing.id,\n",
        '        f"{firing.id}-{detected_at}",\n',
        (_DIES,),
    ),
    Fault(
        "no NX",
        "sinks/lua/alert.lua",
        "'1', 'NX', 'EX', ARGV[3]",
        "'1', 'EX', ARGV[3]",
        ("tests/sinks/test_redis.py", _DIES),
    ),
    Fault(
        "a sink commits what it has not delivered",
        "sinks/delivery.py",
        "        except Unavailable as error:\n            if not self._outage:\n",
        "        except Unavailable as error:\n            self._intake.finish()\n            if not self._outage:\n",
        ("tests/sinks/test_delivery.py",),
    ),
    Fault(
        "an attempt of unknown outcome is repeated without a look at the channel",
        "sinks/slack.py",
        "(key in self._doubts or not is_next) and self._has_arrived(alert, key)",
        "False",
        ("tests/sinks/test_slack_faults.py",),
    ),
    Fault(
        "a recreated log is read under its old states",
        "streams/continuity.py",
        'fail_stop("log.recreated", **place, log_end=ends.get(tp))',
        "continue",
        ("tests/streams/test_continuity.py",),
    ),
    Fault(
        "imported teams are told of as new",
        "signals/importing.py",
        "workspace.spend(SECOND_USER)",
        "pass",
        ("tests/signals/test_importing.py",),
    ),
    Fault(
        "what an older event says undoes an import",
        "signals/billing.py",
        "if billing.plan_from is not None and fact.time < billing.plan_from:",
        "if False:",
        ("tests/signals/test_importing.py",),
    ),
)


def outcomes(faults: Sequence[Fault]) -> Iterator[tuple[Fault, bool, float, str]]:
    """
    Put each fault back alone.

    Yields:
        The fault, whether a test has failed because of it, the seconds it took, and the end of what pytest said.
    """
    for fault in faults:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="plg-fault-") as folder:
            root = _copy(Path(folder) / "tree")
            fault.put_into(root)
            ran = _run(root, fault.tests)
        last = (ran.stdout.strip().splitlines() or [ran.stderr.strip()])[-1]
        yield fault, ran.returncode == TESTS_FAILED, time.monotonic() - started, last


def _copy(to: Path) -> Path:
    left_out = shutil.ignore_patterns(
        ".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".hypothesis", "dist"
    )
    shutil.copytree(ROOT, to, ignore=left_out, symlinks=True)
    (to / ".venv").symlink_to(ROOT / ".venv")
    return to


def _run(root: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    # The copy comes first on the path of `-m pytest`, before what is installed.
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Put the faults back and print what the suite said to each."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", default="", help="faults whose name holds this text")
    parser.add_argument("--list", action="store_true", help="print the faults and end")
    options = parser.parse_args(arguments)
    chosen = [fault for fault in FAULTS if options.only in fault.name]
    if options.list or not chosen:
        print("\n".join(fault.name for fault in chosen) or f"no fault's name holds {options.only!r}")
        return not chosen
    tests = tuple(dict.fromkeys(test for fault in chosen for test in fault.tests))
    sound = _run(ROOT, tests)
    if sound.returncode:
        print(f"the tests fail without a fault:\n{sound.stdout[-2_000:]}{sound.stderr[-1_000:]}")
        return 1
    print(f"without a fault: {sound.stdout.strip().splitlines()[-1]}", flush=True)
    missed = []
    for fault, is_found, seconds, last in outcomes(chosen):
        print(f"{'found' if is_found else 'MISSED':6} {seconds:5.0f} s  {fault.name} ({last})", flush=True)
        if not is_found:
            missed.append(fault.name)
    print(f"{len(chosen) - len(missed)} of {len(chosen)} faults found")
    return bool(missed)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
