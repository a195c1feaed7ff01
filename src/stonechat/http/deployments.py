"""Deployments: a whole project in one multipart request, beside what is live or in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stonechat.auth.access import Caller, ScopeType
from stonechat.deploy.apply import Deployer, Outcome
from stonechat.deploy.diff import Changes, Difference
from stonechat.deploy.explanation import data_movements, explanation
from stonechat.deploy.history import DeploymentRecord, Status, UnknownDeployment, deployment, deployments
from stonechat.deploy.token_changes import TokenChange
from stonechat.deploy.workspaces import Workspaces
from stonechat.errors import Kind, StonechatError
from stonechat.http.authentication import Authenticator
from stonechat.http.connections import connection_id
from stonechat.http.problems import STATUS_BY_KIND, problem_body
from stonechat.http.snapshots import deployment_number
from stonechat.project.model import InvalidProject
from stonechat.state import StateStore

_PART_NAME = "data_project://"
_CONTEXT = "context://"
_PARTS_HINT = "Name each part 'data_project://', and give it the file's path in the project as its file name."
_FLAGS = {"true": True, "1": True, "false": False, "0": False, "": False}
_MOST_FILES = 5000
_PATIENCE = 20.0
"""Seconds after which a deployment is answered that goes on: clients ask again, and their connections time out."""


class InvalidUpload(StonechatError):
    """The request does not carry project files as the clients send them."""

    code = "SC950"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class _Asked:
    """How a project is to be deployed."""

    check: bool
    allow_destructive: bool
    auto_promote: bool

    @classmethod
    def of(cls, request: Request) -> _Asked:
        """What the parameters say."""
        return cls(
            _flag(request, "check"), _flag(request, "allow_destructive_operations"), _flag(request, "auto_promote")
        )


_BUILD = _Asked(check=False, allow_destructive=True, auto_promote=True)


@dataclass(frozen=True)
class _Deployments:
    """The handlers, and what they need."""

    authenticator: Authenticator
    workspaces: Workspaces
    store: StateStore

    async def deploy(self, request: Request) -> Response:
        caller = self._authorised(request)
        return await self._run(caller, await _project_files(request), "deployment", _Asked.of(request))

    async def build(self, request: Request) -> Response:
        caller = self._authorised(request)
        return await self._run(caller, await _project_files(request), "build", _BUILD)

    async def roll_back(self, request: Request) -> Response:
        """The files of an earlier deployment, deployed again as a new one."""
        caller = self._authorised(request)
        record = await asyncio.to_thread(deployment, self.store, caller.workspace_id, _number(request))
        return await self._run(caller, record.files, "deployment", _Asked.of(request))

    async def promote(self, request: Request) -> Response:
        return await self._change(request, Deployer.promote)

    async def discard(self, request: Request) -> Response:
        return await self._change(request, Deployer.discard)

    async def _change(self, request: Request, change: Callable[[Deployer, int], None]) -> Response:
        caller = self._authorised(request)
        identity = _number(request)
        deployer = self.workspaces.deployer(caller.workspace_id)
        await asyncio.to_thread(change, deployer, identity)
        record = await asyncio.to_thread(deployment, self.store, caller.workspace_id, identity)
        return JSONResponse({"result": "success", "deployment": _record_json(record)})

    async def list_all(self, request: Request) -> Response:
        caller = self._authorised(request)
        records = await asyncio.to_thread(deployments, self.store, caller.workspace_id)
        if not _flag(request, "history"):
            # Clients take the first one for the live one, and any other for its candidate.
            records = sorted(
                (each for each in records if each.live or each.is_candidate), key=lambda each: not each.live
            )
        return JSONResponse({"deployments": [_record_json(record) for record in records]})

    async def show(self, request: Request) -> Response:
        caller = self._authorised(request)
        identity = _number(request)
        record = await asyncio.to_thread(deployment, self.store, caller.workspace_id, identity)
        return JSONResponse({"deployment": _record_json(record)})

    def _authorised(self, request: Request) -> Caller:
        caller = self.authenticator.caller(request)
        caller.require(ScopeType.DEPLOY)
        return caller

    async def _run(self, caller: Caller, files: Mapping[str, str], key: str, asked: _Asked) -> Response:
        deployer = self.workspaces.deployer(caller.workspace_id)
        try:
            outcome = await asyncio.to_thread(
                deployer.begin,
                files,
                check=asked.check,
                allow_destructive=asked.allow_destructive,
                auto_promote=asked.auto_promote,
            )
            if outcome.ended is not None:
                # Not in a thread: the server could not stop before the deployment.
                ended = asyncio.wrap_future(outcome.ended)
                done, _ = await asyncio.wait({ended}, timeout=_PATIENCE if key == "deployment" else None)
                for each in done:
                    each.result()
        except InvalidProject as error:
            return _failure(error, key, error.problems)
        except StonechatError as error:
            return _failure(error, key, [error])
        record = None
        if outcome.deployment_id is not None:
            record = await asyncio.to_thread(deployment, self.store, caller.workspace_id, outcome.deployment_id)
        return JSONResponse(_outcome_json(caller.workspace_id, outcome, record, key))


def routes(authenticator: Authenticator, workspaces: Workspaces, store: StateStore) -> list[Route]:
    """The deployment API of the contract."""
    handlers = _Deployments(authenticator, workspaces, store)
    return [
        Route("/v1/build", handlers.build, methods=["POST"]),
        Route("/v1/deploy", handlers.deploy, methods=["POST"]),
        Route("/v1/deployments", handlers.list_all, methods=["GET"]),
        Route("/v1/deployments/{id}", handlers.show, methods=["GET"]),
        Route("/v1/deployments/{id}", handlers.discard, methods=["DELETE"]),
        Route("/v1/deployments/{id}/rollback", handlers.roll_back, methods=["POST"]),
        Route("/v1/deployments/{id}/set-live", handlers.promote, methods=["POST"]),
    ]


def _number(request: Request) -> int:
    """The deployment that the path names. Raises `UnknownDeployment` for what names none."""
    named = request.path_params["id"]
    number = deployment_number(named)
    if number is None:
        raise UnknownDeployment(f"The deployment '{named}' does not exist")
    return number


async def _project_files(request: Request) -> Mapping[str, str]:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise InvalidUpload("A project is sent as multipart/form-data, one part a file", hint=_PARTS_HINT)
    files: dict[str, str] = {}
    async with request.form(max_files=_MOST_FILES, max_fields=_MOST_FILES) as form:
        # What is not in a project is removed with a deployment: a file is never passed over.
        if not {name for name, _ in form.multi_items()} & {_PART_NAME, _CONTEXT}:
            raise InvalidUpload("The request has no file of a project", hint=_PARTS_HINT)
        for name, part in form.multi_items():
            if name == _PART_NAME:
                if not isinstance(part, UploadFile) or not part.filename:
                    raise InvalidUpload("A file of the project is sent without its name", hint=_PARTS_HINT)
                text = _text(part.filename, await part.read())
                if files.setdefault(part.filename, text) != text:
                    raise InvalidUpload(f"The file {part.filename} is sent twice, with different texts")
    return files


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidUpload(f"{name} is not UTF-8 at byte {error.start}") from error


def _flag(request: Request, name: str) -> bool:
    given = request.query_params.get(name, "")
    flag = _FLAGS.get(given.lower())
    if flag is None:
        raise InvalidUpload(f"The parameter '{name}' is neither true nor false: '{given}'")
    return flag


def _failure(error: StonechatError, key: str, problems: Sequence[StonechatError]) -> Response:
    errors = [_problem(problem) for problem in problems]
    body = {"result": "failed", **problem_body(error), "errors": errors, key: {"errors": errors, "feedback": []}}
    if key == "deployment":
        del body["error"]  # where there is one, `tb deploy` shows that alone
    return JSONResponse(body, status_code=STATUS_BY_KIND[error.kind])


def _problem(problem: StonechatError) -> dict[str, object]:
    """A problem as clients print it: they show `error` alone, so the hint stands in it."""
    body = problem_body(problem)
    if hint := body.pop("hint", None):
        body["error"] = f"{str(problem).removesuffix('.')}. {hint}"
    return {"filename": problem.position.file if problem.position else "", **body}


def _outcome_json(workspace_id: str, outcome: Outcome, record: DeploymentRecord | None, key: str) -> dict[str, object]:
    # Of a build, clients know success and failure alone, and see by its empty lists that nothing changed.
    prepared = outcome.prepared
    result = "success" if prepared.difference or key == "build" else "no_changes"
    details: dict[str, object] = {"id": "", "status": str(Status.DATA_READY), "live": False, "errors": []}
    if record is not None:
        details = _record_json(record)
    details |= _difference_json(workspace_id, prepared.difference)
    details |= {"feedback": [asdict(remark) for remark in prepared.feedback]}
    details |= {"data_movements": list(data_movements(prepared.plan)), "plan": list(explanation(prepared))}
    details |= {"token_changes": [_token_change_json(change) for change in prepared.tokens]}
    return {"result": result, key: details}


def _token_change_json(change: TokenChange) -> dict[str, object]:
    permissions = {
        "added_permissions": [asdict(permission) for permission in change.added],
        "removed_permissions": [asdict(permission) for permission in change.removed],
    }
    return {"token_name": change.token_name, "change_type": change.change_type, "permission_changes": permissions}


def _difference_json(workspace_id: str, difference: Difference) -> dict[str, object]:
    kinds: Mapping[str, Changes] = {
        "datasource": difference.data_sources,
        "pipe": difference.pipes,
        "data_connector": difference.connections,
    }
    lists: dict[str, object] = {}
    for kind, changes in kinds.items():
        lists[f"new_{kind}_names"] = list(changes.new)
        lists[f"changed_{kind}_names"] = list(changes.changed)
        lists[f"deleted_{kind}_names"] = list(changes.deleted)
    lists["new_data_connector_ids"] = [connection_id(workspace_id, name) for name in difference.connections.new]
    lists["disconnected_data_source_names"] = list(difference.disconnected)
    return lists


def _record_json(record: DeploymentRecord) -> dict[str, object]:
    return {
        "id": str(record.id),
        "status": str(record.status),
        "live": record.live,
        "created_at": record.created_at.replace(" ", "T"),
        "updated_at": record.updated_at.replace(" ", "T"),
        "promoted_at": record.promoted_at.replace(" ", "T"),
        "errors": list(record.errors),
        "feedback": [],
        "filling": [_filling_json(each) for each in record.progress.get("filling", ())],
    }


def _filling_json(filling: Mapping[str, Any]) -> dict[str, object]:
    done, steps = filling["done"], filling["steps"]
    return {"datasource_name": filling["name"], "steps_done": sum(done.values()), "steps": sum(steps.values())}
