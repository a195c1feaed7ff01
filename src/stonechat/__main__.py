"""`python -m stonechat`."""

from stonechat.cli.main import run

run()
