"""Build `.venv` from `requirements.lock`, on a machine that has only some Python 3.

Run by `make env`. Standard library only, and readable by any Python from 3.8 on, because it runs
before anything is installed. It installs a private uv into `.uv` at the version and hashes of the
lock, looks for a suitable Python (`.python-version` first, then any other supported one), and
installs the lock with hashes checked and this package beside it. Where no suitable Python is
found, uv is asked for one as the last resort.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
PREFERRED = (ROOT / ".python-version").read_text(encoding="utf-8").strip()
SUPPORTED = [PREFERRED] + [v for v in ("3.13", "3.12", "3.14") if v != PREFERRED]


def main():
    """Make or bring up to date the environment; return the exit code."""
    uv = private_uv()
    environment = ROOT / ".venv"
    python = environment / "bin" / "python"
    if version_of(python) not in SUPPORTED:
        make_environment(uv, environment)
    target = ["--quiet", "--python", python]
    # Byte code now: without it the first `import pymc` alone takes several seconds longer.
    run([uv, "pip", "sync", *target, "--compile-bytecode", "--require-hashes", LOCK])
    run([uv, "pip", "install", *target, "--no-deps", "--no-build-isolation", "--editable", ROOT])
    print(f"Environment ready: {python} is Python {version_of(python)}")


def make_environment(uv, environment):
    """Make an empty virtual environment on the first suitable Python."""
    base = find_python()
    if base is None:
        print(f"No Python {' or '.join(SUPPORTED)} found here; asking uv for {PREFERRED}.")
    try:
        run([uv, "venv", "--quiet", "--clear", "--python", base or PREFERRED, environment])
    except subprocess.CalledProcessError:
        sys.exit(
            f"No virtual environment could be made. Put Python {' or '.join(SUPPORTED)} on PATH "
            "(looked for: python3.x on PATH, pyenv's versions, uv's own), then run make env again."
        )


def private_uv():
    """Return the path of uv in `.uv`, at exactly the version that the lock names."""
    pinned = re.search(r"^uv==(\S+).*?(?=^\S|\Z)", LOCK.read_text(encoding="utf-8"), re.M | re.S)
    home = ROOT / ".uv"
    uv = home / "bin" / "uv"
    if uv.exists() and f"uv {pinned[1]}" in output([uv, "--version"]):
        return uv
    base = find_python() or sys.executable
    try:
        run([base, "-m", "venv", "--clear", home])
    except subprocess.CalledProcessError:
        sys.exit(
            f"{base} cannot make a virtual environment. Install its 'venv' module (on Debian and "
            "Ubuntu the package python3-venv), or put another Python 3 first on PATH."
        )
    with tempfile.TemporaryDirectory() as folder:
        only_uv = Path(folder) / "uv.txt"
        only_uv.write_text(pinned[0], encoding="utf-8")
        pip = [home / "bin" / "python", "-m", "pip", "install", "--quiet"]
        run([*pip, "--disable-pip-version-check", "--require-hashes", "--no-deps", "-r", only_uv])
    return uv


def find_python():
    """Return the first working Python of a supported version, or None."""
    for version in SUPPORTED:
        for candidate in candidates(version):
            if version_of(candidate) == version:
                return candidate
    return None


def candidates(version):
    """Yield the places where a Python of this version may be, the likeliest first."""
    yield Path(sys.executable)
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield Path(on_path)  # may be a pyenv shim that refuses to run: version_of finds out
    homes = [
        os.environ.get("PYENV_ROOT"),
        output(["pyenv", "root"]).strip(),
        Path.home() / ".pyenv",
    ]
    for home in dict.fromkeys(Path(h) for h in homes if h):
        installed = (home / "versions").glob(f"{version}.*/bin/python{version}")
        yield from sorted(installed, key=lambda p: natural(p.parts[-3]), reverse=True)


def natural(text):
    """Sort key under which 3.13.10 follows 3.13.9."""
    return [int(part) if part.isdigit() else -1 for part in re.split(r"[.\-]", text)]


def version_of(python):
    """Return "3.13" for a Python that runs, and "" for anything else."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return output([python, "-c", code]).strip()


def output(command):
    """Return what a command prints, or "" where it cannot run or fails."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout


def run(command):
    """Run a command and show what it prints."""
    subprocess.run([str(part) for part in command], check=True)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"make env stopped: `{' '.join(error.cmd)}` ended with {error.returncode}.")
