"""Import a bulk export of FHIR of many patients; print one JSON object.

    python benchmarks/import_ndjson.py [--patients N] [--seed S] [--write]

The export is made in a temporary folder: a Patient, a diagnosis, eight laboratory values, a relapse
or a contact, a medication and a last contact each, one type a file. Reading the files into tables,
and the whole import with its checks, are measured each in a process of its own, on one core: CPU
seconds and the peak of memory. `--write` keeps the result as docs/evidence/import_ndjson.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from twinbayes.cohort.importing.finding import read_source
from twinbayes.cohort.importing.mapping.reading import read_mapping
from twinbayes.cohort.importing.rules import import_faults
from twinbayes.cohort.importing.running import run_import

TARGET: Final = Path(__file__).resolve().parents[1] / "docs" / "evidence" / "import_ndjson.json"
_LABS: Final = {"718-7": ("g/dL", 12.0), "777-3": ("10*9/L", 150.0)}
_VISITS: Final = 4
_MAPPING: Final = """\
schema: twinbayes/mapping/v1
name: bulk
simulated: true
dates: "%Y-%m-%d"
tables:
  patients:
    table: patient
    origin: {table: condition, column: onset, where: {code_icd10: C92.0}, first: onset}
    columns:
      patient_id: patient_id
      subgroup: {table: condition, column: code_icd10, where: {code_icd10: C92.0}}
      centre: centre
      sex: sex
      age_years: {column: birth_date, date: "%Y-%m-%d"}
  visits:
    table: observation
    columns:
      patient_id: patient_id
      day: effective
      marker: {column: code_loinc, values: {718-7: haemoglobin, 777-3: platelets}}
      value: value
      unit: unit
  events:
    - table: patient
      columns: {patient_id: patient_id}
      closing:
        death: death_date
        last_contact: {table: encounter, column: seen, last: seen}
    - table: condition
      where: {code_text: relapse}
      columns: {patient_id: patient_id, day: onset, event: code_text}
  treatments:
    table: medication_administration
    columns:
      patient_id: patient_id
      start_day: start
      treatment: {column: code_atc, values: {L01BC07: azacitidine}}
variables:
  sex: {table: patients, group: clinical, levels: [female, male]}
  age_years: {table: patients, group: clinical, unit: a}
  haemoglobin: {table: visits, unit: g/dL}
  platelets: {table: visits, unit: 10*9/L}
  azacitidine: {table: treatments}
"""


def _resources(n: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Resources of patient after patient."""
    for k in range(n):
        own = f"p{k:07d}"
        zero = datetime(2010, 1, 1, 9) + timedelta(days=int(rng.integers(3_000)))
        subject = {"reference": f"Patient/{own}"}

        def made(kind: str, number: int, own: str = own, **more: Any) -> dict[str, Any]:
            about = {"versionId": "1", "lastUpdated": "2024-01-01T00:00:00.000+01:00"}
            return {"resourceType": kind, "id": f"{own}-{number}", "meta": about, **more}

        yield {
            "resourceType": "Patient", "id": own, "gender": ("female", "male")[k % 2],
            "birthDate": f"{1930 + k % 60}-0{1 + k % 9}-1{k % 9}",
            "managingOrganization": {"reference": f"Organization/c{k % 12}"},
            "identifier": [{"system": "urn:oid:1.2.3", "value": str(k)}],
        }  # fmt: skip
        icd = {"system": "http://hl7.org/fhir/sid/icd-10", "code": "C92.0"}
        yield made("Condition", 0, subject=subject, code={"coding": [icd]},
                   onsetDateTime=_told(zero))  # fmt: skip
        if k % 3 == 0:
            yield made("Condition", 1, subject=subject, code={"text": "relapse"},
                       onsetDateTime=_told(zero + timedelta(days=400)))  # fmt: skip
        for visit in range(_VISITS):
            when = _told(zero + timedelta(days=90 * visit))
            for code, (unit, mean) in _LABS.items():
                value = {"value": round(float(rng.normal(mean, mean / 9)), 1), "unit": unit,
                         "system": "http://unitsofmeasure.org", "code": unit}  # fmt: skip
                yield made(
                    "Observation", visit * 10 + len(unit), status="final", subject=subject,
                    category=[{"coding": [{"code": "laboratory"}]}], effectiveDateTime=when,
                    code={"coding": [{"system": "http://loinc.org", "code": code}]},
                    valueQuantity=value,
                )  # fmt: skip
        drug = {"coding": [{"system": "http://www.whocc.no/atc", "code": "L01BC07"}]}
        yield made("MedicationAdministration", 0, status="completed", subject=subject,
                   medicationCodeableConcept=drug,
                   effectivePeriod={"start": _told(zero + timedelta(days=7))})  # fmt: skip
        end = zero + timedelta(days=500 + k % 2_000)
        yield made("Encounter", 0, status="finished", subject=subject,
                   period={"start": _told(end), "end": _told(end)})  # fmt: skip


def _told(when: datetime) -> str:
    return when.isoformat() + ("+02:00" if 4 <= when.month <= 10 else "+01:00")


def write_export(folder: Path, n: int, seed: int) -> tuple[int, int]:
    """Write the files; return the number of resources and of bytes."""
    files, lines = {}, 0
    for one in _resources(n, np.random.default_rng(seed)):
        kind = one["resourceType"]
        if kind not in files:
            files[kind] = (folder / f"{kind}.ndjson").open("w", encoding="utf-8")
        files[kind].write(json.dumps(one) + "\n")
        lines += 1
    for file in files.values():
        file.close()
    return lines, sum(path.stat().st_size for path in folder.iterdir())


def _read(folder: Path, mapping: Path) -> int:
    faults = import_faults()
    tables, _ = read_source(folder, None, read_mapping(mapping).mapping, faults)
    faults.raise_if_any()
    return sum(len(table.rows) for table in tables)


def _import(folder: Path, mapping: Path) -> int:
    return sum(run_import(folder, mapping).ledger.made.values())


STAGES: Final[dict[str, Callable[[Path, Path], int]]] = {"read": _read, "import": _import}


def measure(stage: str, folder: Path, mapping: Path) -> dict[str, object]:
    """Run a stage in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    rows = STAGES[stage](folder, mapping)
    return {
        "rows": rows,
        "seconds": round(time.perf_counter() - wall, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--stage", nargs=3, metavar=("STAGE", "FOLDER", "MAPPING"))
    options = parser.parse_args()
    if options.stage:
        stage, folder, mapping = options.stage
        print(json.dumps(measure(stage, Path(folder), Path(mapping))))
        return
    with tempfile.TemporaryDirectory() as place:
        folder, mapping = Path(place) / "export", Path(place) / "map.yaml"
        folder.mkdir()
        mapping.write_text(_MAPPING, encoding="utf-8")
        resources, size = write_export(folder, options.patients, options.seed)
        runs = {}
        for stage in STAGES:
            command = [sys.executable, __file__, "--stage", stage, str(folder), str(mapping)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            runs[stage] = json.loads(done.stdout)
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "patients": options.patients,
        "seed": options.seed,
        "resources": resources,
        "mib": round(size / 2**20),
        **runs,
    }
    if options.write:
        TARGET.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
