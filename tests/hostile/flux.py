"""What kustomize-controller applies of a tree, built independently of the package: the root that it generates, then Kustomize.

The walk is that of fluxcd/pkg, `kustomize_generator.go` (`findOrGenerateKustomization`, `scanManifests`); `flux/` is built as an
administrator does it. Objects are built in process where that is exact, and by `kubectl kustomize` otherwise; `really_applied` is
the whole of it by `kubectl kustomize`, to hold the other against.
"""

import yaml
from ml_pipeline.adapters.files import write_changes
from ml_pipeline.adapters.kustomize import Overlays, build
from ml_pipeline.adapters.processes import ProgramError
from ml_pipeline.documents.changes import Changes
from ml_pipeline.documents.faults import PipelineError
from ml_pipeline.rules.kustomize.objects import parse_built

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
PARTS = ("flux", "platform", "serving", "training")
REFUSED = "Kustomize refuses it"


class Folder(dict):
    """A tree of files as folders in folders; a file is its path."""

    @classmethod
    def of(cls, files):
        top = cls()
        for path in files:
            at, *names = top, *path.split("/")
            for name in names[:-1]:
                at = at.setdefault(name, cls())
            at[names[-1]] = path
        return top

    def has_kustomization(self) -> bool:
        return any(isinstance(self.get(name), str) for name in NAMES)


def generated(folder: Folder, at: str = "") -> list[str]:
    """The resources of the root that the controller generates, relative to the path."""
    found = []
    for name, inside in sorted(folder.items()):
        where = f"{at}{name}"
        if isinstance(inside, Folder):
            whole = inside.has_kustomization()
            found += [where] if whole else generated(inside, f"{where}/")
        elif where.endswith((".yaml", ".yml")):
            found.append(where)
    return found


def roots(files) -> dict[tuple[str, str], list[str] | None]:
    """For each path of Flux the resources of its generated root, None where it has a kustomization of its own."""
    environments = Folder.of(files).get("environments", {})
    found = {}
    for name, environment in environments.items():
        for part in PARTS if isinstance(environment, Folder) else ():
            folder = environment.get(part)
            if isinstance(folder, Folder):
                found[name, part] = None if folder.has_kustomization() else generated(folder)
    return found


def identified(objects) -> dict:
    keyed = {}
    for thing in objects:
        metadata = thing["metadata"]
        keyed[thing["kind"], metadata.get("namespace", ""), metadata["name"]] = thing
    return keyed


def applied(files, known: dict) -> dict:
    """Objects by environment, path and name. `known` keeps what was built of the same files."""
    found = {}
    base = hash(frozenset((p, raw) for p, raw in files.items() if p.startswith("base/")))
    inside: dict = {}
    for (name, part), listed in roots(files).items():
        mine = f"environments/{name}/"
        if name not in inside:
            inside[name] = hash(frozenset((p, r) for p, r in files.items() if p.startswith(mine)))
        key = base, name, part, inside[name]
        if key not in known:
            known[key] = _built(files, f"{mine}{part}", listed)
        found[name, part] = known[key]
    return found


def _built(files, path: str, listed):
    folders = [path] if listed is None else [f"{path}/{entry}" for entry in listed]
    try:
        with Overlays(files) as overlays:
            things = [thing for folder in folders for thing in overlays.objects(folder)]
            return identified(things)
    except PipelineError:
        return REFUSED


def really_applied(files, path, tmp_path):
    """The same of one path by the real Kustomize: the generated root on disk, and one build."""
    environment, part = path
    listed = roots(files)[path]
    if listed == []:
        return {}
    write_changes(tmp_path, Changes(dict(files)))
    folder = tmp_path / "environments" / environment / part
    if listed is not None:
        body = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [f"./{entry}" for entry in listed],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(body))
    try:
        return identified(parse_built(build(folder)))
    except ProgramError:
        return REFUSED
