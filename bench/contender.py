"""Processes that are timed in turn: what vs_pytorch and head_scaling share.

A contender waits between its samples. It is sampled in a quiet moment (other processes under 0.12
cores for 0.4 s); a sample during which other processes took more than 0.08 cores is marked and
left out if at least three clean ones remain.
"""
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")


def busy_cores():
    """CPU seconds spent by everyone since boot."""
    with open("/proc/stat") as stat:
        fields = [int(v) for v in stat.readline().split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:8])) / TICK


def wait_until_quiet(limit_s=20, cores=0.12, window_s=0.4):
    start = time.monotonic()
    while time.monotonic() - start < limit_s:
        before, at = busy_cores(), time.monotonic()
        time.sleep(window_s)
        if (busy_cores() - before) / (time.monotonic() - at) < cores:
            return


class Contender:
    def __init__(self, name, command, threads, patience):
        env = dict(os.environ, OMP_NUM_THREADS=str(threads), OMP_WAIT_POLICY="passive")
        self.name, self.samples, self.patience = name, [], patience
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True, env=env)
        self.ready = self.answer()
        if self.ready is not None:
            first = self.ask("1")
            self.count = max(1, round(1.0 / first["wall"])) if first else 1

    def answer(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def last_words(self):
        self.process.wait()
        self.errors.seek(0)
        return self.errors.read().strip()[-300:]

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def sample(self):
        """False if the contender has ended."""
        wait_until_quiet(self.patience)
        before = busy_cores()
        answer = self.ask(str(self.count))
        if answer is None:
            return False
        own, elapsed = answer["cpu"] * self.count, answer["wall"] * self.count
        answer["foreign"] = max(0.0, busy_cores() - before - own) / elapsed
        self.samples.append(answer)
        return True

    def result(self):
        clean = [s for s in self.samples if s["foreign"] <= 0.08]
        kept = clean if len(clean) >= 3 else self.samples
        walls = sorted(s["wall"] for s in kept)
        peak = self.ask("end")["peak_mib"]
        self.process.wait()
        return {"name": self.name, "median": statistics.median(walls), "low": walls[0],
                "high": walls[-1], "clean": len(clean), "all": len(self.samples), "peak_mib": peak,
                "version": self.ready.get("version", "")}


def machine():
    with open("/proc/cpuinfo") as info:
        model = next((l.split(":")[1].strip() for l in info if l.startswith("model name")), "?")
    release = ".".join(platform.release().split(".")[:2])
    return f"{model}, {os.cpu_count()} cores, Linux {release}"


def commit():
    try:
        return subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True,
                              text=True).stdout.strip()
    except OSError:  # no git here
        return "unknown"
