"""Tests of projects: `tests/*.yaml` against a throw-away server, and the same server for an application's own tests."""
