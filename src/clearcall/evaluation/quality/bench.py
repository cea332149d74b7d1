"""The whole benchmark: from a folder of sharp pictures and clips to a folder of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from clearcall.cpus import usable_cpus
from clearcall.degrade import Profile
from clearcall.errors import OutputError
from clearcall.evaluation.quality.files import Outcome, to_csv, to_json
from clearcall.evaluation.quality.journal import NAME
from clearcall.evaluation.quality.measure import Setup
from clearcall.evaluation.quality.page import Pages
from clearcall.evaluation.quality.run import Report, run
from clearcall.evaluation.quality.sources import find_sources, some_of_each
from clearcall.media.folder import atomic_folder, check_folder

RESULTS = ("results.json", "results.csv", "results.html", "panels.html")


def bench(  # noqa: PLR0913 - each is an option of the command
    folder: Path,
    profiles: Sequence[Profile],
    setup: Setup,
    output: Path,
    *,
    left_out: Mapping[str, str] | None = None,
    workers: int | None = None,
    reuse: Path | None = None,
    force: bool = False,
    on_progress: Report | None = None,
) -> Outcome:
    """Measure every method on a folder behind each link, and write the results.

    Every source is measured once; an interrupted run goes on when it is started again with the same ``output``,
    whose ``journal.jsonl`` remembers it.

    Args:
        folder: Sharp pictures and clips, sub-folders too.
        profiles: The links.
        setup: What is measured and with what.
        output: Folder for ``results.json``, ``results.csv``, ``results.html`` and ``panels.html``.
        left_out: What can't be measured on this computer -> why; stands in the results.
        workers: Processes; None: one for each core.
        reuse: Folder of an earlier run on the same files: what it measured with the same weights isn't measured again.
        force: Start anew in a folder that holds another run, or use one that holds something else.
        on_progress: Called with the pairs of source and link done, and of all.

    Returns:
        What was found.

    Raises:
        InputError: Nothing could be measured.
        OutputError: The folder can't be used.
    """
    found = find_sources(folder)
    sources = some_of_each(found, setup.limit) if setup.limit else found
    journal = _prepare(output, force)
    findings = run(
        sources,
        profiles,
        setup,
        journal,
        workers=workers or usable_cpus(),
        reuse=reuse / NAME if reuse else None,
        on_progress=on_progress,
    )
    outcome = Outcome(setup, profiles, findings, dict(left_out or {}), len(found))
    pages = Pages(outcome, sources)
    with atomic_folder(output, force=True) as unfinished:
        for name, text in zip(
            RESULTS, (to_json(outcome), to_csv(outcome), pages.results(), pages.panels()), strict=True
        ):
            (unfinished / name).write_text(text, "utf-8")
    return outcome


def _prepare(output: Path, force: bool) -> Path:
    """The journal within a folder that is there and may be used."""
    journal = output / NAME
    check_folder(output, force or journal.is_file())
    try:
        output.mkdir(exist_ok=True)
        if force:
            journal.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"Can't write {output} ({error.strerror}); choose another folder with -o.") from error
    return journal
