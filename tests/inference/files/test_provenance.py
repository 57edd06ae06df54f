"""Parts of a sealed file that do not belong together are refused; so is what has another key."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

import twinbayes as tb
from sealed_files import changed, replaced, resealed, with_manifest
from twinbayes.errors import OptionError, StorageError, TwinbayesError
from twinbayes.inference import Fit, judge
from twinbayes.inference.files import sealed

OLD = Path(__file__).resolve().parents[2] / "data" / "registry_fit.nc"
KEY = b"a secret of this test, 32 bytes."


@pytest.fixture(scope="module")
def old() -> Fit:
    found = tb.load_fit(OLD)
    assert isinstance(found, Fit)
    return found


@pytest.fixture(scope="module")
def new(old: Fit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same fit, saved as fits are saved now: with hashes of its content."""
    return old.save(tmp_path_factory.mktemp("new") / "fit.nc")


def edited_cohort(file: h5py.File) -> None:
    text = file["cohort/visits.csv"][:].tobytes()
    head, first, rest = text.split(b"\n", 2)
    replaced(file, "cohort/visits.csv", b"\n".join((head, rest)))
    assert first


def a_digit_of_the_cohort(file: h5py.File) -> None:
    values = file["cohort/events.csv"][:]
    where = np.flatnonzero((values >= ord("1")) & (values <= ord("8")))[-1]
    values[where] += 1
    file["cohort/events.csv"][:] = values


def edited_prior(file: h5py.File) -> None:
    text = json.loads(file["description/json"][:].tobytes())
    entry = next(e for e in text["priors"]["entries"] if "sigma" in e.get("arguments", {}))
    entry["arguments"]["sigma"] *= 2.0
    replaced(file, "description/json", json.dumps(text).encode())


def edited_model(file: h5py.File) -> None:
    text = file["description/json"][:].tobytes()
    changed_text = text.replace(b'"kind_of": "Spline"', b'"kind_of": "Weibull"', 1)
    changed_text = changed_text if changed_text != text else text.replace(b"kind_of", b"kind_off")
    replaced(file, "description/json", changed_text)


def manifest(**entries: Any) -> Callable[[h5py.File], None]:
    return lambda file: with_manifest(file, lambda known: known.update(entries))


def within(key: str, **entries: Any) -> Callable[[h5py.File], None]:
    return lambda file: with_manifest(file, lambda known: known[key].update(entries))


def patients_swapped(file: h5py.File) -> None:
    names = file["posterior/patient"][:]
    file["posterior/patient"][:] = names[::-1]


def one_patient_twice(file: h5py.File) -> None:
    names = file["posterior/patient"][:]
    names[0] = names[1]
    file["posterior/patient"][:] = names


def other_subgroups(file: h5py.File) -> None:
    names = file["posterior/subgroup"][:]
    names[0] = b"another"
    file["posterior/subgroup"][:] = names


def windows_moved(file: h5py.File) -> None:
    file["constant_data/window_edge"][0, 1] += 1.0


def negative_weights(file: h5py.File) -> None:
    file["constant_data/patient_weight"][:] = -1.0


def one_divergence_more(file: h5py.File) -> None:
    file["sample_stats/diverging"][0, 0] = 1


CONTRADICTIONS: dict[str, tuple[Callable[[h5py.File], None], str]] = {
    "patients left out": (edited_cohort, "data in the file"),
    "a digit of an event": (a_digit_of_the_cohort, "data in the file|contract|rule"),
    "another prior": (edited_prior, "priors in the file"),
    "another model": (edited_model, "model in the file"),
    "manifest of version 0": (manifest(manifest_version=0), "no version that there ever was"),
    "manifest of version 99": (manifest(manifest_version=99), "Update twinbayes"),
    "manifest without version": (manifest(manifest_version=None), "no version"),
    "manifest of version true": (manifest(manifest_version=True), "no version"),
    "data of another run": (manifest(cohort_fingerprint="0" * 64), "data in the file"),
    "model of another run": (manifest(spec_hash="0" * 64), "model in the file"),
    "priors of another run": (manifest(prior_hash="0" * 64), "priors in the file"),
    "other names of priors": (manifest(prior_ids=[]), "priors in the file"),
    "another number of chains": (within("sampler", chains=4), "cannot be of the run"),
    "fewer draws were sampled": (within("sampler", draws=4), "cannot be of the run"),
    "a verdict of another fit": (within("verdict", usable=True), "contradicts itself"),
    "a verdict on others": (
        within("verdict", summary={"chains": 2, "draws": 5, "divergences": 9}), "not about these"
    ),
    "patients swapped": (patients_swapped, "labels along 'patient'"),
    "a patient twice": (one_patient_twice, "labels along 'patient'"),
    "other subgroups": (other_subgroups, "labels along 'subgroup'"),
    "windows moved": (windows_moved, "windows"),
    "negative weights": (negative_weights, "weights must be"),
    "one divergence more": (one_divergence_more, "not about these draws"),
}  # fmt: skip


@pytest.mark.requirement("R-034")
@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_parts_that_do_not_belong_together_are_refused_also_without_hashes_of_content(
    case: str, tmp_path: Path
) -> None:
    change, message = CONTRADICTIONS[case]
    with pytest.raises(StorageError, match=message):
        tb.load_fit(changed(OLD, tmp_path / "fit.nc", change))


def other_draws(file: h5py.File) -> None:
    file["posterior/beta"][:] += 0.1


def dims_exchanged(file: h5py.File) -> None:
    values = file["posterior/patient_correlation"]
    values[:] = values[:].swapaxes(2, 3) + 1e-9


def variable_left_out(file: h5py.File) -> None:
    del file["posterior/treatment_effect"]


def scale_factor(file: h5py.File) -> None:
    file["posterior/beta"].attrs["scale_factor"] = 2.0


def knots_moved(file: h5py.File) -> None:
    text = json.loads(file["description/json"][:].tobytes())
    text["edges"][0][1] += 1.0
    replaced(file, "description/json", json.dumps(text).encode())


def group_left_out(file: h5py.File) -> None:
    del file["hidden_posterior"]


@pytest.mark.parametrize(
    "change",
    [other_draws, dims_exchanged, variable_left_out, scale_factor, knots_moved, group_left_out],
)
def test_content_that_is_not_as_it_was_saved_is_refused(
    change: Callable[[h5py.File], None], new: Path, tmp_path: Path
) -> None:
    with pytest.raises(StorageError, match="Not as they were saved: "):
        tb.load_fit(changed(new, tmp_path / "fit.nc", change))


def test_a_fit_that_is_loaded_and_saved_again_is_the_same(old: Fit, new: Path) -> None:
    again = tb.load_fit(new)
    assert isinstance(again, Fit)
    assert again.manifest == old.manifest
    assert again.verdict.reasons == old.verdict.reasons
    for name, group in old.datatree.children.items():
        xr.testing.assert_identical(
            again.datatree[name].to_dataset().drop_attrs(), group.to_dataset().drop_attrs()
        )


# --- what a key tells -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keyed(old: Fit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return old.save(tmp_path_factory.mktemp("keyed") / "fit.nc", key=KEY)


def test_a_fit_that_was_saved_with_a_key_is_read_with_it_and_without(keyed: Path) -> None:
    for key in (KEY, None):
        assert isinstance(tb.load_fit(keyed, key=key), Fit)


@pytest.mark.requirement("R-035")
def test_another_key_and_a_file_without_one_are_refused(keyed: Path, new: Path) -> None:
    with pytest.raises(StorageError, match="saved with another key, or altered"):
        tb.load_fit(keyed, key=KEY[::-1])
    for path in (new, OLD):
        with pytest.raises(StorageError, match="saved without a key"):
            tb.load_fit(path, key=KEY)


@pytest.mark.requirement("R-035")
def test_a_change_by_somebody_without_the_key_passes_without_it_and_not_with_it(
    keyed: Path, tmp_path: Path
) -> None:
    """Draws and hashes of content rewritten as the package writes them, but for the key."""
    fit = tb.load_fit(keyed)
    assert isinstance(fit, Fit)
    groups = {name: group.to_dataset() for name, group in fit.datatree.children.items()}
    groups["posterior"] = groups["posterior"].assign(beta=groups["posterior"]["beta"] + 0.1)
    forged = replace(fit, datatree=xr.DataTree.from_dict(groups)).save(tmp_path / "fit.nc")
    assert isinstance(tb.load_fit(forged), Fit)
    content = forged.read_bytes()
    mac = keyed.read_bytes()[56:88]
    copied = tmp_path / "copied.nc"
    payload = memoryview(content[sealed.BLOCK :])
    copied.write_bytes(sealed._seal(payload, sealed.VERSION, mac=mac) + payload)
    assert isinstance(tb.load_fit(copied), Fit)
    with pytest.raises(StorageError, match="another key, or altered"):
        tb.load_fit(copied, key=KEY)


@pytest.mark.parametrize("key", [b"", b"short", "a text of more than 16 letters", 7])
def test_a_key_that_is_none_is_refused(key: Any, old: Fit, new: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="at least 16 bytes"):
        old.save(tmp_path / "fit.nc", key=key)
    with pytest.raises(OptionError, match="at least 16 bytes"):
        tb.load_fit(new, key=key)
    assert not (tmp_path / "fit.nc").exists()


# --- the verdict of the whole run -------------------------------------------------------------


def good_run(diverged: int, seed: int = 1) -> xr.DataTree:
    """Four chains of 2,000 independent draws, with divergences at odd draws alone."""
    rng, shape = np.random.default_rng(seed), (4, 2000)
    diverging = np.zeros(shape, bool)
    diverging[:, 0::4][:, : diverged // 4] = True
    draws = {"x": (("chain", "draw"), rng.standard_normal(shape))}
    stats = {"diverging": (("chain", "draw"), diverging),
             "energy": (("chain", "draw"), rng.standard_normal(shape))}  # fmt: skip
    coords = {"chain": range(4), "draw": range(2000)}
    return xr.DataTree.from_dict(
        {"posterior": xr.Dataset(draws, coords), "sample_stats": xr.Dataset(stats, coords)}
    )


@pytest.mark.requirement("R-038")
@pytest.mark.parametrize("diverged", [0, 600])
def test_the_verdict_of_the_whole_run_goes_with_the_part_that_is_saved(
    old: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, diverged: int
) -> None:
    tree = good_run(diverged)
    tree["constant_data"] = old.datatree["constant_data"]
    whole = judge(tree)
    assert whole.usable is (diverged == 0)
    sampler = {**old.manifest["sampler"], "chains": 4, "draws": 2000}
    said = {"usable": whole.usable, "reasons": [*whole.reasons], "summary": dict(whole.summary)}
    run = {**old.manifest, "sampler": sampler, "verdict": said}
    monkeypatch.setattr(type(old.spec), "constants", lambda *_: ())
    fit = replace(old, datatree=tree, verdict=whole, manifest=run)
    assert judge(fit.thinned(4000).datatree).usable  # the part alone looks good
    for saved in (fit.thinned(4000), fit.thinned(6000).thinned(4000)):
        back = tb.load_fit(saved.save(tmp_path / "fit.nc"))
        assert isinstance(back, Fit)
        assert back.datatree["posterior"].sizes["draw"] == 1000
        assert back.verdict.usable is (diverged == 0)
        again = tb.load_fit(back.save(tmp_path / "again.nc"))
        assert again.verdict.reasons == back.verdict.reasons
        if diverged:
            assert back.verdict.banner().startswith("NOT FOR USE: the whole run: 600 transitions")


def test_a_divergence_that_is_not_a_number_counts_against_a_fit() -> None:
    tree = good_run(0)
    stats = tree["sample_stats"].to_dataset()
    unknown = stats["diverging"].astype(float)
    unknown[0, :3] = np.nan
    tree["sample_stats"] = xr.DataTree(stats.assign(diverging=unknown))
    verdict = judge(tree)
    assert not verdict.usable
    assert verdict.reasons == ("3 transitions diverged",)


# --- mutants ----------------------------------------------------------------------------------


def loads_or_is_refused(path: Path, reference: Fit) -> None:
    """A `StorageError`, or the very fit: never anything else."""
    try:
        found = tb.load_fit(path)
    except StorageError:
        return
    assert isinstance(found, Fit)
    assert found.spec == reference.spec
    assert found.cohort.fingerprint == reference.cohort.fingerprint
    for name in ("posterior", "hidden_posterior"):
        for variable, values in reference.datatree[name].data_vars.items():
            np.testing.assert_array_equal(found.datatree[name][variable], values)


@pytest.mark.requirement("R-034")
@pytest.mark.parametrize("seed", range(40))
def test_bytes_changed_and_sealed_again_are_refused_or_do_no_harm(
    seed: int, old: Fit, new: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(seed)
    payload = bytearray(new.read_bytes()[sealed.BLOCK :])
    # Where structure lies: any byte but those of long text, half the time near one of HDF5's marks.
    marks = [k for k in range(len(payload)) if payload[k : k + 4] in (b"OHDR", b"OCHK", b"FHDB")]
    near = marks and rng.random() < 0.7
    start = int(rng.choice(marks)) if near else int(rng.integers(len(payload)))
    for _ in range(int(rng.integers(1, 5))):
        at = min(start + int(rng.integers(0, 200)), len(payload) - 1)
        payload[at] = int(rng.choice([0, 1, 0x7F, 0xFF, int(rng.integers(256))]))
    if rng.random() < 0.2:
        payload = payload[: int(rng.integers(len(payload)))]
    loads_or_is_refused(resealed(bytes(payload), tmp_path / "fit.nc"), old)


def mutate(file: h5py.File, rng: np.random.Generator) -> None:
    """One change of what a tool that knows HDF5 can change."""
    places: list[str] = []
    file.visititems(lambda name, found: places.append(name))
    place = str(rng.choice(places))
    found = file[place]
    kind = int(rng.integers(7))
    if kind == 0 or isinstance(found, h5py.Group):
        del file[place]
    elif kind == 1:
        file.move(place, f"{place}_again")
    elif kind == 2:
        values = found[:]
        del file[place]
        file[place] = values
    elif kind == 3 and found.dtype.kind in "fiu":
        values = found[:]
        values.ravel()[: 1 + values.size // 3] = 1
        found[...] = values
    elif kind == 4:
        names = ["units", "scale_factor", "dtype", "_FillValue", "coordinates", "calendar"]
        found.attrs[str(rng.choice(names))] = str(rng.choice(["days since 2000-01-01", "7", "x"]))
    elif kind == 5:
        del file[place]
        file.create_dataset(place, data=np.array(["text"], dtype=object), dtype=h5py.string_dtype())
    else:
        with_manifest(file, lambda known: known.pop(str(rng.choice(sorted(known)))))


@pytest.mark.parametrize("seed", [*range(18), 24, 38, 60])
@pytest.mark.parametrize("which", ["old", "new"])
def test_parts_changed_and_sealed_again_are_refused_or_do_no_harm(
    seed: int, which: str, old: Fit, new: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng([seed, which == "old"])
    source = {"old": OLD, "new": new}[which]
    path = changed(source, tmp_path / "fit.nc", lambda file: mutate(file, rng))
    if which == "new":
        loads_or_is_refused(path, old)
        return
    with suppress(TwinbayesError):  # and nothing else
        fit = tb.load_fit(path)  # without hashes of content, other numbers may pass
        assert isinstance(fit, Fit)
        fit.twin(list(fit.cohort.patient_ids[:1]), at=0.0).forecast(until=100.0, grid=2)
