"""The rules of the house: names, sizes, layers, lock, and what project files may mention."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import twinbayes
from twinbayes import errors, names

NOT_LOCKED = {"gpu", "vantage6", "nvflare", "browser"}
PUBLIC = {
    "__version__", "read_cohort", "Cohort", "disease", "ModelSpec", "load_priors", "PriorSet",
    "Aggregate", "AggregateFit", "read_aggregate", "cohort_from_tables", "new_patient",
    "import_cohort", "propose_mapping", "plot_contrast",
    "assemble", "fit", "Fit", "load_fit", "Twin", "Scenario", "review", "datasets",
    "stack",
}  # fmt: skip
NAMES = {
    "CHAIN": "chain", "DRAW": "draw", "SAMPLE": "sample", "PATIENT": "patient",
    "SUBGROUP": "subgroup", "CENTRE": "centre", "STATE": "state", "TRANSITION": "transition",
    "WINDOW": "window", "COVARIATE": "covariate", "COVARIATE_GROUP": "covariate_group",
    "TREATMENT": "treatment", "EFFECT": "effect", "TIME": "time", "MARKER": "marker",
    "PATIENT_CENTRED": "patient_centred", "PATIENT_NON_CENTRED": "patient_non_centred",
    "PATIENT_DIMS": ("patient", "patient_centred", "patient_non_centred"),
    "MARKER_WITH_ERROR": "marker_with_error", "COUNT_MARKER": "count_marker",
    "PATIENTS": "patients", "GENOMICS": "genomics", "VISITS": "visits", "EVENTS": "events",
    "TREATMENTS": "treatments", "VARIABLES": "variables",
    "TABLES": ("patients", "genomics", "visits", "events", "treatments", "variables"),
    "VISIT_VALUE": "value", "CENSORED": "censored",
    "PATIENT_ID": "patient_id", "DAY": "day", "DAY_LOWER": "day_lower",
    "ENTRY_DAY": "entry_day", "ENTRY_STATE": "entry_state", "WHOLE": "all",
    "EVENT": "event", "DEATH": "death",
    "LAST_CONTACT": "last_contact", "TERMINAL_EVENTS": ("death", "last_contact"),
    "POSTERIOR": "posterior", "SAMPLE_STATS": "sample_stats", "LOG_LIKELIHOOD": "log_likelihood",
    "PRIOR": "prior", "LOG_PRIOR": "log_prior", "OBSERVED_DATA": "observed_data",
    "POSTERIOR_PREDICTIVE": "posterior_predictive",
    "HIDDEN_POSTERIOR": "hidden_posterior", "CONSTANT_DATA": "constant_data",
    "PRINCIPAL_AXIS": "principal_axis",
    "CURVE_WAVE": "curve_wave", "CURVE_LINE": "curve_line",
    "MARKER_WITH_WAVES": "marker_with_waves",
    "CURVE_TERM": "curve_term", "PATIENT_TERM": "patient_term",
    "PATIENT_TERM_AGAIN": "patient_term_again",
    "COEFFICIENT": "coefficient", "ROW": "row",
    "CURVE_COVARIATE": "curve_covariate", "ASSOCIATION": "association_term",
    "NEEDS_REFIT": "needs_refit", "BEYOND_FOLLOW_UP": "beyond_follow_up",
    "FOLLOWED_UNTIL": "followed_until",
    "ENTRY_ERA": "entry_era", "ENTRY_CUT": "entry_cut",
    "TIME_VARYING": "time_varying", "TIME_VARYING_WINDOW": "time_varying_window",
    "CLOCK_ORIGIN": "origin", "CLOCK_ENTRY": "entry",
    "DAYS_PER_YEAR": 365.25,
    "LOG_BASELINE": "log_baseline",
    "LOG_BASELINE_AT_EVENT": "log_baseline_at_event",
    "BETA": "beta",
    "SUBGROUP_EFFECT": "subgroup_effect",
    "SUBGROUP_SCALE": "subgroup_scale",
    "CENTRE_EFFECT": "centre_effect",
    "CENTRE_SCALE": "centre_scale",
    "TREATMENT_EFFECT": "treatment_effect",
    "TREATMENT_HETEROGENEITY": "treatment_heterogeneity",
    "TREATMENT_SUBGROUP_EFFECT": "treatment_subgroup_effect",
    "ENTRY_ERA_EFFECT": "entry_era_effect",
    "TIME_VARYING_EFFECT": "time_varying_effect",
    "EXPECTED_EVENTS": "expected_events",
    "FEDERATION": "federation",
    "TRANSPORT": "transport",
    "TRANSPORT_LEVEL": "transport_level",
    "TRANSPORT_SLOPE": "transport_slope",
    "TRANSPORT_SHAPE": "transport_shape",
    "FRAILTY_EFFECT": "frailty_effect",
    "FRAILTY_OTHER": "frailty_other",
    "FRAILTY_SCALE": "frailty_scale",
    "RECURRENT_EVENT": "recurrent_event",
    "ASSOCIATION_EFFECT": "association",
    "CURVE_EFFECT": "curve_effect",
    "CURVE_SUBGROUP_EFFECT": "curve_subgroup_effect",
    "CURVE_SUBGROUP_SCALE": "curve_subgroup_scale",
    "CURVE_CENTRE_EFFECT": "curve_centre_effect",
    "CURVE_CENTRE_SCALE": "curve_centre_scale",
    "PATIENT_SD": "patient_sd",
    "PATIENT_CORRELATION": "patient_correlation",
    "PATIENT_CURVE": "patient_curve",
    "MARKER_SD": "marker_sd",
    "MARKER_SHAPE": "marker_shape",
    "POOLED_EFFECT": "effect",
    "SUBGROUP_VALUE": "subgroup_value",
    "STATE_PROBABILITY": "state_probability",
    "SURVIVAL": "survival",
    "CUMULATIVE_INCIDENCE": "cumulative_incidence",
    "RESTRICTED_MEAN_TIME": "restricted_mean_time",
    "RMST": "rmst",
    "MARKER_CURVE": "marker_curve",
    "MARKER_VALUE": "marker_value",
    "RISK_DIFFERENCE": "risk_difference",
    "QUALITY_ADJUSTED_TIME": "quality_adjusted_time",
    "QUALITY_ADJUSTED_SURVIVAL": "quality_adjusted_survival",
    "BOUNDS": ("", "_lower", "_upper"),
    "DRAWS": "_draws",
    "DIFFERENCE": "_difference",
    "LANDMARK_DAY": "landmark_day",
    "WINDOW_EDGE": "window_edge",
    "PATIENT_WEIGHT": "patient_weight",
    "PATIENT_SUBGROUP": "patient_subgroup",
    "TWINS_OF_FIT": "twinbayes.twin.of_fit",
    "PLOTS": "twinbayes.plots",
    "TRANSPORT_OF_FIT": "twinbayes.monitoring.transport",
}  # fmt: skip


@pytest.fixture(scope="module")
def pyproject(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def locked(root: Path) -> dict[str, str]:
    """Package name -> version, as pinned in the lock (the newest where platforms differ)."""
    text = (root / "requirements.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==([^ ;\\]+)", text, re.MULTILINE))


def project_files(root: Path) -> list[Path]:
    """Every file of the project: the tracked ones and those about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=False)
    if listed.returncode == 0:
        paths = [root / name for name in listed.stdout.decode().split("\0") if name]
    else:  # an unpacked source distribution
        paths = [p for p in root.rglob("*") if ".venv" not in p.parts and ".uv" not in p.parts]
    return sorted(p for p in paths if p.is_file())


def mentions(root: Path, pattern: str, *, except_in: tuple[str, ...] = ()) -> list[str]:
    """List "file:line" wherever a text file of the project matches the pattern."""
    wanted = re.compile(pattern)
    # This file spells the forbidden words; LICENSE is somebody else's text.
    passed_over = ("tests/contract/test_house.py", "LICENSE", *except_in)
    found = []
    for path in project_files(root):
        where = path.relative_to(root).as_posix()
        if where.startswith(passed_over) or path.suffix in {".png", ".nc", ".parquet"}:
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        found += [f"{where}:{n}" for n, line in enumerate(lines, 1) if wanted.search(line)]
    return found


def test_every_dim_and_reserved_name_keeps_its_value() -> None:
    spelled = {key: value for key, value in vars(names).items() if key.isupper()}
    assert spelled == NAMES


def test_every_error_is_a_twinbayes_error_and_a_builtin() -> None:
    raised = [
        value
        for value in vars(errors).values()
        if getattr(value, "__module__", "") == errors.__name__
        and isinstance(value, type)
        and value is not errors.TwinbayesError
    ]
    assert raised
    for error in raised:
        assert issubclass(error, errors.TwinbayesError)
        assert issubclass(error, ValueError | RuntimeError | OSError | UserWarning)


def test_the_public_names_are_exactly_the_promised_ones_and_all_resolve() -> None:
    assert set(twinbayes.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(twinbayes, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = twinbayes.no_such_name  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import twinbayes", ["numpy", "pandas", "pymc", "matplotlib"]),
        ("import twinbayes; twinbayes.read_cohort", ["pymc", "pytensor", "arviz", "matplotlib"]),
        ("import twinbayes.cli.app", ["pymc", "pytensor", "arviz"]),
        ("import twinbayes.federation.exchange.status", ["pandas", "pymc", "pytensor"]),
    ],
)
def test_light_work_does_not_import_heavy_packages(statement: str, absent: list[str]) -> None:
    code = f"import sys; {statement}; print([m for m in {absent} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_versions_agree_in_package_project_citation_and_changelog(
    root: Path, pyproject: dict[str, Any]
) -> None:
    version = pyproject["project"]["version"]
    assert twinbayes.__version__ == version
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {version}\n" in citation
    assert f"## [{version}]" in (root / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_lock_holds_a_fitting_version_of_every_requirement(
    pyproject: dict[str, Any], locked: dict[str, str]
) -> None:
    project = pyproject["project"]
    wanted = list(project["dependencies"])
    for extra, requirements in project["optional-dependencies"].items():
        if extra not in NOT_LOCKED:
            wanted += requirements
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        assert name in locked, f"{name} is not in requirements.lock: run `make lock`"
        assert requirement.specifier.contains(locked[name]), (
            f"{name} {locked[name]} in requirements.lock breaks '{requirement}': run `make lock`"
        )


def test_the_lock_holds_nothing_that_the_project_dropped(
    root: Path, pyproject: dict[str, Any]
) -> None:
    text = (root / "requirements.lock").read_text(encoding="utf-8")
    spans = re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]
    direct = {
        canonicalize_name(re.split(r"[\[=]", span)[0])
        for span in spans
        if "twinbayes (pyproject.toml)" in span
    }
    assert len(direct) > 20
    project = pyproject["project"]
    extras = project["optional-dependencies"].values()
    asked = chain(project["dependencies"], *extras)
    assert direct <= {canonicalize_name(Requirement(line).name) for line in asked}


@pytest.mark.requirement("R-069")
def test_every_locked_package_carries_a_hash(root: Path) -> None:
    text = (root / "requirements.lock").read_text(encoding="utf-8")
    spans = re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]
    assert len(spans) > 50
    assert all("--hash=sha256:" in span for span in spans)


def test_no_file_or_public_function_is_over_its_limit(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, root / "scripts" / "check_sizes.py"], capture_output=True, text=True
    )
    assert done.stdout == ""
    assert done.returncode == 0


def test_the_size_check_finds_a_long_file_and_a_long_public_function(tmp_path: Path) -> None:
    package = tmp_path / "twinbayes"
    package.mkdir()
    body = "    x = 1\n" * 60
    (package / "long.py").write_text("x = 1\n" * 401)
    (package / "wide.py").write_text(
        f"def wide():\n    '''A\n    docstring.'''\n{body}\n\ndef _private():\n{body}"
    )
    root = Path(__file__).resolve().parents[2]
    code = (
        "import pathlib, sys; sys.path.insert(0, sys.argv[1]); import check_sizes;"
        "sys.exit(check_sizes.main(pathlib.Path(sys.argv[2])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, root / "scripts", tmp_path], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "twinbayes/long.py: 401 lines, at most 400",
        "twinbayes/wide.py:1: wide has 61 lines, at most 60",
    ]


def check(root: Path, script: str, place: Path) -> subprocess.CompletedProcess[str]:
    """Run a script of the repository on another tree."""
    code = (
        "import importlib, pathlib, sys; sys.path.insert(0, sys.argv[1]);"
        "sys.exit(importlib.import_module(sys.argv[2]).main(pathlib.Path(sys.argv[3])))"
    )
    command = [sys.executable, "-c", code, root / "scripts", script, place]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_size_check_finds_a_crowded_folder(root: Path, tmp_path: Path) -> None:
    room = tmp_path / "twinbayes" / "room"
    room.mkdir(parents=True)
    for k in range(14):
        (room / f"part{k}.py").touch()
    (room / "__init__.py").touch()
    assert check(root, "check_sizes", tmp_path).returncode == 0
    (room / "inner").mkdir()
    done = check(root, "check_sizes", tmp_path)
    assert done.returncode == 1
    assert done.stdout == "twinbayes/room: 15 modules and folders, at most 14\n"


@pytest.mark.parametrize(
    "late",
    ["def f():\n    {}\n", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {}\n"],
)
def test_the_circle_check_counts_imports_in_functions_and_for_types(
    late: str, root: Path, tmp_path: Path
) -> None:
    room = tmp_path / "twinbayes" / "room"
    room.mkdir(parents=True)
    (room / "__init__.py").touch()
    (room / "one.py").write_text("from twinbayes.room.two import x\n")
    (room / "two.py").write_text("from twinbayes.room import three\n")
    (room / "three.py").write_text("x = 1\n")
    assert check(root, "check_cycles", tmp_path).returncode == 0
    (room / "three.py").write_text(late.format("import twinbayes.room.one"))
    done = check(root, "check_cycles", tmp_path)
    assert done.returncode == 1
    assert done.stdout == (
        "3 modules import each other: twinbayes.room.one, twinbayes.room.three, "
        "twinbayes.room.two\n"
    )


def test_no_modules_of_the_package_import_each_other(root: Path) -> None:
    assert check(root, "check_cycles", root).stdout == ""


def test_imports_follow_the_layers(root: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=root, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_the_table_of_rooms_is_that_of_the_folders(root: Path) -> None:
    text = (root / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    rows = dict(re.findall(r"^\| `(twinbayes/[^`]*)` \| *(.*?) *\|$", text, re.MULTILINE))
    opened = {p: ast.parse(p.read_text(encoding="utf-8"))
              for p in (root / "twinbayes").rglob("__init__.py")}  # fmt: skip
    first = {f"{p.parent.relative_to(root).as_posix()}/": (ast.get_docstring(t) or "").splitlines()
             for p, t in opened.items()}  # fmt: skip
    assert rows == {folder: lines[0].rstrip(".") for folder, lines in first.items()}


def test_every_place_that_the_architecture_names_is_there(root: Path) -> None:
    text = (root / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.(?:py|md))?)`", text)
    tops = (root, root / "twinbayes")
    # In the list of what is at the top, names of folders are relative to the one they stand beside.
    tops += tuple(root / name for name in ("tests", "notebooks"))
    assert [name for name in named if not any((top / name).exists() for top in tops)] == []


def test_no_file_names_a_package_index_or_a_download_host(root: Path) -> None:
    hosts = r"pypi\.(org|python)|pythonhosted|anaconda\.org|conda-forge|--(extra-)?index-url[= ]\S"
    assert mentions(root, hosts + r"|--find-links|/simple/") == []


def test_no_file_names_a_path_of_one_machine(root: Path) -> None:
    assert mentions(root, r"(?<![\w.\-/}>*])/(home|root|work|Users|tmp|opt|mnt)/") == []


def test_only_tests_and_benchmarks_know_of_the_shared_folder(root: Path) -> None:
    assert mentions(root, r"\.\./shared|\bshared/", except_in=("tests/", "benchmarks/")) == []


def test_no_generated_or_published_data_is_in_the_repository(root: Path) -> None:
    data = {".csv", ".rda", ".rdata", ".parquet", ".nc", ".xpt", ".zarr", ".pkl"}
    tables = [p.relative_to(root).as_posix() for p in project_files(root) if p.suffix in data]
    assert [t for t in tables if not t.startswith("tests/")] == []


def test_tests_draw_seeds_that_can_be_drawn_again(root: Path) -> None:
    unrepeatable = re.compile(r"secrets\.rand|default_rng\(\)|randbits\(|random\.Random\(\)")
    found = {
        str(path.relative_to(root))
        for path in (root / "tests").rglob("*.py")
        if unrepeatable.search(path.read_text(encoding="utf-8")) and path != Path(__file__)
    }
    assert not found, "seeds of tests come from tests/support/chance.py"
