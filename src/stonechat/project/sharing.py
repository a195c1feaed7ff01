"""Data sources of other workspaces that one may read, under the names `workspace.data_source`.

A workspace whose name could be taken for a database of the engine shares nothing: what stands in front of a point in a
statement leads either to a data source that is shared, or nowhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stonechat.datafile.resources import DataSource
from stonechat.project.service_data_sources import NAMESPACE

if TYPE_CHECKING:  # the store takes commands that need no server a tenth of a second
    from stonechat.project.workspaces import Identity, Workspace

_OF_THE_ENGINE = re.compile(
    rf"(?:ws|rehearsal|renewal|staging|stonechat)_.*|system|default|information_schema|{NAMESPACE}",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class SharedSource:
    """A data source of another workspace: as it is live there, its file, and the database with its table."""

    workspace: Workspace
    deployment_id: int
    source: DataSource
    text: str
    identity: Identity
    database: str

    @property
    def name(self) -> str:
        """What it is called in the workspaces that it is shared with."""
        return shared_name(*self.parts)

    @property
    def parts(self) -> tuple[str, str]:
        """The two names that it has in statements: that of its workspace, as if it were a database, and its own."""
        return self.workspace.name, self.source.name


def shared_name(workspace: str, data_source: str) -> str:
    """What a data source of a workspace is called in others."""
    return f"{workspace}.{data_source}"


def may_share(workspace: str) -> bool:
    """Whether a workspace of that name can share data sources: a statement can name it as one part, and nothing else by
    it.
    """
    return "." not in workspace and not _OF_THE_ENGINE.fullmatch(workspace)
