"""What `twinbayes review --crate` packs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twinbayes.errors import OptionError


def require_crate(crate: Path | None, licence: str | None, page: Path) -> None:
    """Refuse, before what takes long, a place where something is, or a licence of nothing."""
    from twinbayes.private_files import require_writable
    from twinbayes.releases.crate import require_room

    if crate is None:
        if licence is not None:
            raise OptionError("--licence is that of a crate: give its folder too (--crate).")
        return
    if crate.resolve() in (page.resolve(), *page.resolve().parents):
        raise OptionError("--crate: the page does not belong inside. Name another folder.")
    require_room(crate)
    require_writable(crate.with_name(f"{crate.name}.tried"))


def pack_review(
    crate: Path | None,
    page: Path,
    fit_path: Path,
    fitted: Any,
    context: Path | None,
    licence: str | None,
) -> None:
    """Pack a review where a crate is asked for."""
    from twinbayes.releases import write_crate
    from twinbayes.releases.crate import NO_LICENCE

    if crate is not None:
        write_crate(
            crate, page, fit_path, fitted.manifest, context=context, licence=licence or NO_LICENCE
        )
