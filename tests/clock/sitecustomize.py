"""Python imports this at its start, before the program: a process that a test started gets the test's clock."""

import os

import tests_clock

if tests_clock.OFFSET in os.environ:
    tests_clock.start(float(os.environ[tests_clock.OFFSET]))
