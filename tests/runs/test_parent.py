"""A process ends with the one that started it, however that one ends."""

import subprocess
import sys
import time

import psutil
import pytest

from tests.places import ROOT

PATIENCE = 60  # seconds; a busy machine starts slowly
CHILD = """
import sys, time
from wtal_core.runs import parent
{change}
parent.end_with(int(sys.argv[1]))
print("begun", flush=True)
time.sleep(600)
"""
PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen(
    [sys.executable, "-c", sys.argv[1], str(os.getpid())], stdout=subprocess.PIPE, text=True
)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""
CHANGES = {
    "by the system alone": "parent._watch = lambda process: None",
    "by looking alone": "sys.platform = 'elsewhere'",
}


@pytest.mark.skipif(sys.platform != "linux", reason="names what Linux alone has")
@pytest.mark.parametrize("way", CHANGES)
def test_a_child_ends_with_its_killed_parent(way):
    command = [sys.executable, "-c", PARENT, CHILD.format(change=CHANGES[way])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            child = psutil.Process(int(process.stdout.readline()))
            time.sleep(0.2)
            assert child.is_running()  # it does not end while its parent is there
            process.kill()
            assert psutil.wait_procs([child], timeout=PATIENCE)[1] == []
        finally:
            process.kill()
