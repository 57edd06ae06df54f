"""Components of one's own: registered from a file, fitted, stored, read elsewhere, or refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from pathlib import Path
from runpy import run_path
from typing import Any, ClassVar, Final

import numpy as np
import pandas as pd
import pytest

import twinbayes as tb
from contributing import file_of
from twinbayes.cohort import Cohort
from twinbayes.errors import ModelError
from twinbayes.inference import Fit
from twinbayes.model import (
    BiexponentialDecay,
    Exchangeable,
    ModelSpec,
    Normal,
    OwnMean,
    Trajectories,
    Trajectory,
    Weibull,
    catalogue,
    register,
)
from twinbayes.model.aggregate.spec import AggregateSpec
from twinbayes.model.pooling import table
from twinbayes.model.pooling.table import POOLINGS, pooling_of
from twinbayes.model.storing import registration

POOLING: Final = file_of("A pooling strategy")
BASELINE: Final = '''
from dataclasses import dataclass

import numpy as np
import pymc as pm

from twinbayes.model import register


@register
@dataclass(frozen=True, slots=True)
class Gompertz:
    """A log hazard that is a straight line over windows of equal length."""

    windows: int = 4
    kind: str = "gompertz"

    def edges(self, event_times, all_times):
        return np.append(np.linspace(0.0, all_times.max(), self.windows + 1)[:-1], np.inf)

    def build(self, name, dims, labels, edges, priors):
        level = priors.make(f"{name}_level", "baseline_level", dims=dims[:1], qualifiers=labels)
        rise = pm.Normal(f"{name}_rise", 0.0, 0.5, dims=dims[:1])
        line = level[:, None] + rise[:, None] * np.arange(self.windows)
        curve = pm.Deterministic(name, line, dims=dims)
        return curve, curve
'''
PLATEAU: Final = """
from twinbayes.model import register_mean_function


@register_mean_function("test: plateau")
def plateau(years, parameters):
    return parameters[0] + 0.0 * years
"""
BASKET: Final = tb.read_aggregate(
    pd.DataFrame({"subgroup": ["a", "b", "c"], "responders": [4, 9, 2], "n": [20, 30, 12]})
)
#: A process of its own, where nothing but the files of the components has been run.
RUN_FILES: Final = """
import json, runpy, sys
import twinbayes as tb

path, *files = sys.argv[1:]
for file in files:
    runpy.run_path(file)
"""
FORECAST: Final = """
fit = tb.load_fit(path)
survival = fit.twin(at=0.0).forecast(until=1500.0, grid=4)["survival"]
print(json.dumps({"spec": fit.spec.content_hash, "survival": survival.values.tolist()}))
"""
READ: Final = """
with open(path) as stored:
    print(tb.ModelSpec.from_dict(json.load(stored)).content_hash)
"""


@pytest.fixture(autouse=True)
def nothing_stays_registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registration.OWN_TYPES, "_objects", {})
    before = dict(table._BY_KIND)
    yield
    table._BY_KIND.clear()
    table._BY_KIND.update(before)


@pytest.fixture
def cohort(make_cohort: Callable[..., Cohort]) -> Cohort:
    """Forty patients of four subgroups."""
    days = np.random.default_rng(3).exponential(700.0, 40).round(1) + 1.0
    return make_cohort(
        [(f"p{k:02d}", float(day), "death") for k, day in enumerate(days)],
        subgroup={f"p{k:02d}": "abcd"[k % 4] for k in range(40)},
    )


def own(text: str, folder: Path) -> type[Any]:
    """Return the component of a file that is written and run here."""
    file = folder / "own.py"
    file.write_text(text, encoding="utf-8")
    defined = run_path(str(file))
    (found,) = (x for name, x in defined.items() if name in ("Narrow", "Gompertz"))
    component: type[Any] = found
    return component


def pooled_by(pooling: Any) -> ModelSpec:
    spec = tb.disease("survival", covariates=())
    return replace(spec, events=replace(spec.events, subgroup=pooling))


def fitted(spec: ModelSpec, cohort: Cohort) -> Fit:
    return tb.fit(spec, cohort, draws=20, tune=50, chains=2, seed=1, progressbar=False)


def elsewhere(what: str, path: Path, *files: Path) -> subprocess.CompletedProcess[str]:
    """Do something with a stored fit or model after the files have been run."""
    return subprocess.run(
        [sys.executable, "-c", RUN_FILES + what, str(path), *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("text", [POOLING, BASELINE], ids=["pooling", "baseline"])
def test_a_component_of_one_file_is_fitted_stored_and_read_in_another_process(
    text: str, cohort: Cohort, tmp_path: Path
) -> None:
    component = own(text, tmp_path)()
    spec = (
        pooled_by(component)
        if text is POOLING
        else tb.disease("survival", covariates=(), baseline=component)
    )
    fit = fitted(spec, cohort)
    path = fit.save(tmp_path / "fit.nc")
    here = tb.load_fit(path)
    assert here.spec == spec
    found = elsewhere(FORECAST, path, tmp_path / "own.py")
    assert found.returncode == 0, found.stderr
    result = json.loads(found.stdout)
    assert result["spec"] == spec.content_hash
    forecast = fit.twin(at=0.0).forecast(until=1500.0, grid=4)
    np.testing.assert_array_equal(result["survival"], forecast["survival"])


def test_a_stored_fit_names_the_type_that_is_not_registered_and_how_to(
    cohort: Cohort, tmp_path: Path
) -> None:
    path = fitted(pooled_by(own(POOLING, tmp_path)()), cohort).save(tmp_path / "fit.nc")
    found = elsewhere(FORECAST, path)
    assert found.returncode != 0
    assert "ModelError: Stored model names the unknown type 'Narrow'" in found.stderr
    assert "twinbayes.model.register" in found.stderr


def test_one_pooling_of_several_is_read_by_twins_and_draws_new_subgroups(tmp_path: Path) -> None:
    """Several poolings in one model name their variables by their kind."""
    spec, narrow = tb.disease("registry"), own(POOLING, tmp_path)(part=0.25)
    (treatment,) = (t for t in spec.graph.treatments if t.effects)
    first, *others = treatment.effects
    mixed = replace(treatment, effects=(replace(first, pooling=narrow), *others))
    treatments = tuple(mixed if t is treatment else t for t in spec.graph.treatments)
    graph = replace(spec.graph, treatments=treatments)
    spec = replace(spec, events=replace(spec.events, graph=graph), trajectories=None)
    cohort = tb.datasets.registry()
    cohort = cohort.select(list(cohort.patient_ids[:60]))
    fit = fitted(spec, cohort)
    assert "treatment_effect_narrow" in fit.datatree["posterior"]
    mean = fit.datatree["posterior"]["treatment_effect_narrow"].to_numpy().ravel()
    np.testing.assert_array_equal(fit.population.effect_mean[0], mean)
    somebody = cohort.select([cohort.patient_ids[0]])
    new = replace(somebody, patients=somebody.patients.assign(subgroup="a new disease"))
    assert np.isfinite(fit.twin(new, at=0.0).forecast(until=1000.0, grid=3)["survival"]).all()


def test_aggregate_data_take_a_pooling_by_its_kind(tmp_path: Path) -> None:
    own(POOLING, tmp_path)
    spec = tb.disease("basket", pooling="narrow")
    fit = tb.fit(spec, BASKET, draws=20, tune=50, chains=2, seed=1, progressbar=False)
    again = tb.load_fit(fit.save(tmp_path / "fit.nc"))
    assert again.spec == spec == AggregateSpec.from_dict(spec.to_dict())
    np.testing.assert_array_equal(fit.new_subgroup(), again.new_subgroup())


def test_what_is_not_registered_is_refused_before_sampling_with_the_remedy(
    cohort: Cohort, tmp_path: Path
) -> None:
    narrow = own(POOLING.replace("@register\n", ""), tmp_path)()
    remedy = r"type 'Narrow'.*twinbayes\.model\.register\(Narrow\)"
    with pytest.raises(ModelError, match=remedy):
        fitted(pooled_by(narrow), cohort)
    with pytest.raises(ModelError, match=remedy):
        tb.assemble(pooled_by(narrow), cohort)
    with pytest.raises(ModelError, match=remedy):
        tb.fit(tb.disease("basket", pooling=narrow), BASKET)
    register(type(narrow))
    tb.assemble(pooled_by(narrow), cohort)


def test_a_part_that_only_looks_like_a_description_is_refused(cohort: Cohort) -> None:
    class Loose(Exchangeable):
        """Is no dataclass of its own, and would be read as nothing."""

    with pytest.raises(ModelError, match="type 'Loose', which no stored fit"):
        tb.assemble(pooled_by(Loose()), cohort)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rounded(Normal):
    kind: str = "rounded"


@dataclass(frozen=True, kw_only=True, slots=True)
class SlowDecay(BiexponentialDecay):
    kind: str = "slow decay"


@dataclass(frozen=True, slots=True)
class Late(Weibull):
    kind: str = "late"


@dataclass(frozen=True, slots=True)
class Wide(Exchangeable):
    kind: str = "wide"


def described(component: type[Any]) -> ModelSpec:
    """A model that has the component in its place."""
    part, plain = component(), tb.disease("survival", covariates=())
    if component is Wide:
        return pooled_by(part)
    if component is Late:
        return tb.disease("survival", covariates=(), baseline=part)
    place = {"family": part} if component is Rounded else {"basis": part}
    return replace(plain, trajectories=Trajectories(markers=(Trajectory(marker="m", **place),)))


@pytest.mark.parametrize("component", [Rounded, SlowDecay, Late, Wide])
def test_every_role_is_registered_in_the_same_way(component: type[Any]) -> None:
    spec = described(component)
    stored = json.loads(json.dumps(spec.to_dict()))
    with pytest.raises(ModelError, match=f"unknown type '{component.__name__}'"):
        ModelSpec.from_dict(stored)
    with pytest.raises(ModelError, match=f"register.{component.__name__}"):
        catalogue.require_storable(spec, whole=ModelSpec)
    assert register(component) is component
    catalogue.require_storable(spec, whole=ModelSpec)
    again = ModelSpec.from_dict(stored)
    assert again == spec
    assert again.content_hash == spec.content_hash
    register(component)  # as when its file is run once more


def test_a_type_is_found_that_an_installed_package_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    def installed(*, group: str, name: str) -> list[EntryPoint]:
        here = f"{__name__}:Wide"
        offered = group == "twinbayes.descriptions" and name == "Wide"
        return [EntryPoint(name, here, group)] if offered else []

    monkeypatch.setattr(registration, "entry_points", installed)
    stored = described(Wide).to_dict()
    assert ModelSpec.from_dict(stored) == described(Wide)
    assert pooling_of("wide") == Wide()


def made(name: str, kind: str = "made", base: type[Any] = Exchangeable) -> type[Any]:
    """Return a registrable pooling of another place than this file."""
    namespace = {"__annotations__": {"kind": str}, "kind": kind, "__module__": "elsewhere"}
    return dataclass(frozen=True)(type(name, (base,), namespace))


@pytest.mark.parametrize(
    ("component", "message"),
    [
        (made("Horseshoe"), "'Horseshoe' cannot be registered: the package has one"),
        (made("ModelSpec"), "'ModelSpec' cannot be registered: the package has one"),
        (made("Wide"), "name 'Wide' cannot be registered.*another description type has it"),
        (made("Other", "exnex"), "another is of the kind 'exnex'"),
        (made("Other", "latent_exchangeability"), "another is of the kind 'latent_exch"),
        (made("Other", "wide"), "another is of the kind 'wide'"),
        (Wide(), "a description is a frozen dataclass"),
        (type("Plain", (), {}), "a description is a frozen dataclass"),
        (dataclass(type("Thawed", (), {})), "a description is a frozen dataclass"),
        (dataclass(frozen=True)(type("Idle", (), {})), "none of pooling, baseline, marker family"),
    ],
)
def test_a_type_that_cannot_stand_in_a_stored_fit_is_refused(component: Any, message: str) -> None:
    register(Wide)
    with pytest.raises(ModelError, match=message):
        register(component)
    assert set(POOLINGS) | {"wide"} == set(table.POOLINGS)


def test_a_pooling_says_of_which_kind_it_is() -> None:
    @dataclass(frozen=True)
    class Nameless:
        kind: str
        reaches_new_subgroups: ClassVar[bool] = True
        build = Exchangeable.build
        draw_new = Exchangeable.draw_new

    with pytest.raises(ModelError, match=r"its kind, .* is not known"):
        register(Nameless)


def test_a_function_for_a_mean_is_registered_by_the_same_mechanism(tmp_path: Path) -> None:
    file, path = tmp_path / "own.py", tmp_path / "spec.json"
    file.write_text(PLATEAU, encoding="utf-8")
    run_path(str(file))
    basis = OwnMean(kind="test: plateau", standard=(("level", 0.0, 1.0),))
    spec = replace(
        tb.disease("survival", covariates=()),
        trajectories=Trajectories(markers=(Trajectory(marker="m", basis=basis),)),
    )
    catalogue.require_storable(spec, whole=ModelSpec)
    path.write_text(json.dumps(spec.to_dict()), encoding="utf-8")
    assert elsewhere(READ, path, file).stdout.strip() == spec.content_hash
    refused = elsewhere(READ, path)
    assert "'test: plateau' is not registered" in refused.stderr
    assert "register_mean_function" in refused.stderr


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        ("part: float = 0.5", "kind_of: str = 'Exchangeable'\n    part: float = 0.5", "reserved"),
        ("part: float = 0.5", "part: float = field(default=0.5, init=False)", "not set when"),
        ("part: float = 0.5", "part: InitVar[float] = 0.5", "InitVar"),
    ],
)
def test_fields_that_would_not_come_back_are_refused_when_a_type_is_registered(
    written: str, instead: str, message: str, tmp_path: Path
) -> None:
    assert written in POOLING
    text = POOLING.replace("import dataclass", "import InitVar, dataclass, field")
    path = tmp_path / "pooling.py"
    path.write_text(text.replace(written, instead).replace("Narrow", "Bent"), encoding="utf-8")
    with pytest.raises(ModelError, match=f"Bent cannot be registered: .*{message}"):
        run_path(str(path))


def test_a_kind_other_than_that_of_the_type_is_refused_before_sampling_and_on_loading() -> None:
    spec = tb.disease("basket", pooling=Exchangeable(kind="mine"))
    with pytest.raises(ModelError, match="is of the kind 'exchangeable', not 'mine'"):
        tb.fit(spec, BASKET, progressbar=False)
    registry = tb.disease("registry")
    stored = json.loads(json.dumps(registry.to_dict()).replace('"exchangeable"', '"mine"'))
    with pytest.raises(ModelError, match="not 'mine'"):
        ModelSpec.from_dict(stored)
    with pytest.raises(ModelError, match="not 'mine'"):
        AggregateSpec.from_dict(spec.to_dict())


def test_a_stored_type_that_has_other_fields_now_is_refused_with_their_names() -> None:
    stored = json.loads(json.dumps(tb.disease("survival").to_dict()))
    baseline = stored["events"]["graph"]["transitions"][0]["baseline"]
    baseline["bends"] = 3
    with pytest.raises(ModelError, match=r"has other fields than the type has now.*bends"):
        ModelSpec.from_dict(stored)
