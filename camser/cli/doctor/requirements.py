"""What camser's own metadata requires, and whether a package meets it."""

from __future__ import annotations

import re

from packaging.requirements import Requirement

from camser.cli.doctor.findings import Facts

EXTRA = re.compile(r'extra == "([^"]+)"')


def required(facts: Facts, extras: bool = False) -> dict[str, Requirement]:
    """camser's requirements by name, without markers; only those of its extras if ``extras``."""
    requirements = {}
    for line in facts["camser"]["requires"] if facts["camser"] else ():
        requirement = Requirement(line)
        marker, requirement.marker = requirement.marker, None
        extra = EXTRA.search(str(marker))
        applies = marker is None or marker.evaluate({"extra": extra[1] if extra else ""})
        if applies and bool(extra) == extras:
            requirements[requirement.name] = requirement
    return requirements


def version_of(facts: Facts, name: str) -> str:
    """The installed version, empty where there is none."""
    return facts["distributions"].get(name, {}).get("version", "")


def outside(facts: Facts, name: str) -> str:
    """Why a package's version does not meet camser's requirement; empty if it does."""
    requirement, version = required(facts).get(name), version_of(facts, name)
    bounds = requirement.specifier if requirement else ""
    if not version:
        return f"not installed; needed: {bounds or 'any version'}"
    if requirement and not requirement.specifier.contains(version, prereleases=True):
        return f"{version}; needed: {bounds}"
    return ""


def failed(facts: Facts, name: str) -> str:
    """Why a package's import fails; empty if it succeeds."""
    error = facts["imports"].get(name, {}).get("error")
    return f"its import fails: {error}" if error else ""
