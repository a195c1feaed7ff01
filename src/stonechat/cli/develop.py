"""`stonechat dev`: serve a project folder, and deploy it again whenever a file changes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import watchfiles
from rich.markup import escape

from stonechat.cli.appending import append_rows, show_totals
from stonechat.cli.console import counted, err, out, show_error
from stonechat.cli.requests import example_requests
from stonechat.cli.rows import FirstRows, row_source
from stonechat.client import Remote
from stonechat.deploy.explanation import explanation
from stonechat.errors import StonechatError
from stonechat.project.fixtures import fixtures_of
from stonechat.project.loader import load_folder
from stonechat.project.secrets import ENVIRONMENT_FILE, local_secrets
from stonechat.server.serving import Server
from stonechat.testing.places import load_fixture


class Development:
    """One session over a project folder."""

    def __init__(
        self,
        server: Server,
        folder: Path,
        first_rows: FirstRows | None,
        *,
        fixtures: bool,
        allow_destructive: bool,
    ) -> None:
        self._server = server
        self._live = server.workspaces.default
        self._deployer = server.workspaces.deployer(self._live.snapshot.workspace.id)
        self._folder = folder
        self._first_rows = first_rows
        self._fixtures = fixtures
        #: Data sources that had their fixture, or rows of their own: who empties one now wants it empty.
        self._had_rows: set[str] = set()
        self._allow_destructive = allow_destructive
        self._tried: tuple[Mapping[str, str], Mapping[str, str]] | None = None
        self._shown = ""

    async def run(self) -> None:
        """Serve until a signal."""
        await self._server.serve(when_ready=self._work)

    async def _work(self) -> None:
        if await self._deploy_changes():
            if self._first_rows is not None:
                await asyncio.to_thread(self._load, self._first_rows)
            await asyncio.to_thread(self._load_fixtures)
        self._welcome()
        # Timeouts yield too: a change that falls between two watches is seen by its content.
        changes = watchfiles.awatch(self._folder, debounce=200, rust_timeout=1000, yield_on_timeout=True)
        async for _ in changes:
            if await self._deploy_changes():
                await asyncio.to_thread(self._load_fixtures)

    async def _deploy_changes(self) -> bool:
        """Deploy the folder unless it is as it was at the last try; whether all of it is live now."""
        try:
            files = await asyncio.to_thread(load_folder, self._folder)
            secrets = await asyncio.to_thread(local_secrets, self._folder)
            if (files, secrets) == self._tried:
                return True
            self._tried, self._shown = (files, secrets), ""
            await asyncio.to_thread(self._push, secrets)
            outcome = await asyncio.to_thread(self._deployer.deploy, files, allow_destructive=self._allow_destructive)
        except StonechatError as error:
            self._show_once(error)
            return False
        for line in explanation(outcome.prepared):
            out.print(f"  {escape(line)}")
        if outcome.deployment_id is not None:
            out.print(f"[green]Deployed[/green] {escape(str(self._folder))} as deployment {outcome.deployment_id}")
        else:
            out.print("No changes: the folder is what is live.")
        return True

    def _show_once(self, error: StonechatError) -> None:
        """A folder that cannot even be read gives the same error every second; it is shown when it is new."""
        if str(error) != self._shown:
            show_error(error)
            out.print("[yellow]Nothing was deployed: what was live stays live.[/yellow]")
        self._shown = str(error)

    def _push(self, secrets: Mapping[str, str]) -> None:
        """Give the workspace the secrets of `.env.local`; those that it has beside them stay."""
        self._server.variables.put_all(self._live.snapshot.workspace.id, secrets, edited_by=ENVIRONMENT_FILE)

    def _load(self, first: FirstRows) -> None:
        try:
            with Remote(self._server.settings.base_url, self._server.admin_token) as remote:
                if rows := remote.count(first.data_source):
                    out.print(f"{first.data_source} holds {rows:,} rows already: nothing is loaded")
                    return
                show_totals(first.data_source, append_rows(remote, first.data_source, row_source(first.source)))
        except StonechatError as error:
            show_error(error)

    def _load_fixtures(self) -> None:
        """Give each data source that is new in this session, and empty, the rows of its fixture."""
        sources = self._live.snapshot.project.data_sources.keys() - self._had_rows
        fixtures = [item for item in fixtures_of(self._folder) if item.data_source in sources] if self._fixtures else []
        if not fixtures:
            return
        self._had_rows |= {fixture.data_source for fixture in fixtures}
        with Remote(self._server.settings.base_url, self._server.admin_token) as remote:
            for fixture in fixtures:
                try:
                    loaded = load_fixture(remote, self._folder, fixture)
                except StonechatError as error:
                    show_error(error)
                    continue
                if loaded is not None and loaded.appended is not None:
                    rows = counted(loaded.appended.successful, "row")
                    out.print(f"{rows} of {loaded.name} loaded into {loaded.data_source}", markup=False)
                    if loaded.note is not None:
                        err.print(f"note {loaded.note}", markup=False)

    def _welcome(self) -> None:
        url, token = self._server.settings.base_url, self._server.admin_token
        out.print(f"\n[bold]Stonechat serves {escape(str(self._folder))}[/bold]")
        out.print(f"  URL    {url}\n  Docs   {url}/docs#token={token}\n  Token  {token}\n")
        for request in example_requests(self._folder, base_url=url, token=token):
            out.print(f"[dim]# {escape(request.title)}[/dim]\n{escape(request.curl())}\n")
        out.print("Change a file and it is deployed; Ctrl-C stops.")
