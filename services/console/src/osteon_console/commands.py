"""`osteon track`: where every image is, asked from the console."""

import json
import time
from collections.abc import Callable
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from osteon.errors import Fatal, OsteonError, Passing
from osteon.runtime.console import TOKEN, URL, console_door

__all__ = ["track"]

USUAL_URL = "http://127.0.0.1:8090"
ASK_EVERY_S = 0.5
OUT = Console()
COLORS = {"classified": "green", "set-aside": "yellow", "dead-letter": "red", "overdue": "red"}

track = typer.Typer()


@track.callback(invoke_without_command=True, context_settings={"allow_interspersed_args": True})
def _track(
    image: Annotated[str, typer.Argument(help="Id of an image, or how it begins; its path is told.")] = "",
    state: Annotated[str, typer.Option(help="Only images in this state, e.g. set-aside or overdue.")] = "",
    site: Annotated[str, typer.Option(help="Only images of this site.")] = "",
    limit: Annotated[int, typer.Option(help="The number of images listed.", min=0, max=1000)] = 20,
    wait: Annotated[bool, typer.Option("--wait", help="First wait until every image has an outcome.")] = False,
    timeout_s: Annotated[float, typer.Option(help="How long to wait, in seconds.")] = 900.0,
    as_json: Annotated[bool, typer.Option("--json", help="Tell it as JSON.")] = False,
) -> None:
    """Where every image is, from reception to result.

    For example: osteon track, osteon track --state overdue, osteon track 4f1c --json.
    """
    if wait:
        _wait(timeout_s)
    if image:
        answer = _ask(f"/api/images/{image.rstrip('…')}")
        show: Callable[[dict[str, Any]], None] = _show_image
    else:
        answer = _ask("/api/images", state=state, site=site, limit=limit) | {"summary": _ask("/api/summary")}
        show = _show_images
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
    else:
        show(answer)


def _ask(path: str, **parameters: str | int) -> dict[str, Any]:
    door = console_door(USUAL_URL)
    assert door is not None
    url = door.url
    try:
        response = httpx.get(url + path, params=parameters, headers=dict(door.headers), verify=door.tls, timeout=30.0)
        answer = response.json()
    except (httpx.HTTPError, httpx.InvalidURL, json.JSONDecodeError) as error:
        told = f"no console answers at {url} ({error}); see that it runs (make up), or set {URL}"
        raise Passing("console", told) from None
    if response.status_code == 401:
        raise Fatal(f"the console at {url} knows no such token: set {TOKEN} to one of its tokens")
    if response.is_error:
        raise OsteonError(str(answer.get("error", f"the console answered {response.status_code}")))
    found: dict[str, Any] = answer
    return found


def _wait(timeout_s: float) -> None:
    """Wait until the console has read everything and no image is open. Raises Passing when `timeout_s` is over."""
    end = time.monotonic() + timeout_s
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("images with an outcome", total=None)
        while True:
            told = _ask("/api/summary")
            n_all = sum(told["states"].values())
            progress.update(task, completed=n_all - told["open"], total=n_all)
            if told["is_current"] and told["open"] == 0:
                return
            if time.monotonic() > end:
                raise Passing("path", f"{told['open']} images have no outcome after {timeout_s:.0f} s")
            time.sleep(ASK_EVERY_S)


def _show_images(answer: dict[str, Any]) -> None:
    received = Column("received (UTC)", no_wrap=True)  # the id may be cut instead: its beginning is enough for `track`
    table = Table("image", "site", "state", "why", "probability", received, "took (s)", box=None)
    for row in answer["images"]:
        table.add_row(
            row["image_id"],
            row["site"],
            _state(row),
            row["reason"],
            _or_empty(row["probability"], "{:.3f}"),
            row["received_at"][:19].replace("T", " "),
            _or_empty(row["took_s"], "{:.1f}"),
        )
    OUT.print(table)
    counts = answer["summary"]["states"] | {"overdue": answer["summary"]["overdue"]}
    OUT.print("   ".join(f"{state} {n}" for state, n in counts.items()), highlight=False)
    if answer["total"] > len(answer["images"]):
        OUT.print(f"{len(answer['images'])} of {answer['total']} images; more with --limit", style="dim")


def _show_image(answer: dict[str, Any]) -> None:
    OUT.print(f"image {answer['image_id']}  site {answer['site']}  {_state(answer)}", highlight=False)
    if answer["probability"] is not None:
        made_by = f"release set {answer['release_set']}"
        OUT.print(f"{answer['label']}: {answer['probability']:.3f}  ({made_by})", highlight=False)
    for row in (answer, *answer["others"]):
        if row["reason"]:
            came = "" if row is answer else f"another image under this id, received {row['received_at']}: "
            OUT.print(f"{came}{row['reason']}: {row['explanation']}", highlight=False, style="yellow")
    table = Table("step", "after (s)", "at", "span", "why", box=None, title=f"trace {answer['trace_id']}")
    for step in answer["path"]:
        table.add_row(step["step"], f"{step['since_first_s']:.2f}", step["at"], step["span_id"], step["reason"])
    OUT.print(table)


def _state(row: dict[str, Any]) -> str:
    color = COLORS.get("overdue" if row["is_overdue"] else row["state"], "default")
    return f"[{color}]{row['state']}{' (overdue)' if row['is_overdue'] else ''}[/]"


def _or_empty(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
