"""Random changes of a tree, as a stranger's commit could make them: files added, edited, renamed and removed at any depth."""

import random

from tests.hostile.flux import NAMES

K = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
COMPONENT = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
JOB = """apiVersion: batch/v1
kind: Job
metadata: {name: miner, namespace: staging-training}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: b}]}}}
"""
QUOTA = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: more}\nspec: {hard: {pods: 9}}\n"
CONTENTS = (
    JOB,
    QUOTA,
    f"{JOB}---\n{QUOTA}",
    f"{JOB}---\n{JOB.replace('miner', 'second')}",
    "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n",
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: kube-system}\ndata: {a: b}\n",
    "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: admin}\n"
    "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\n",
    "- {op: replace, path: /spec/predictors/0/traffic, value: 100}\n",
    "- op: replace\n  path: /spec/predictors/0/traffic\n  value: 100\n",
    "notes\n",
    "",
    "# nothing\n",
    f"{K}resources: [job.yaml]\n",
    f"{K}namespace: staging-training\nresources: [quota.yaml]\n",
    f"{K}resources: [../../../../base/training-job]\n",
    f"{K}resources: [../../../base/serving]\nnamePrefix: other-\n",
    f"{K}resources: [.]\n",
    f"{K}resources: [..]\n",
    f"{K}resources: [https://127.0.0.1:9/job.yaml]\n",
    f"{K}components: [../promotion]\n",
    f"{K}Resources: [job.yaml]\n",
    f"{K}configMapGenerator: [{{name: a, literals: [b=c]}}]\n",
    f"{COMPONENT}patches: [{{path: job.yaml}}]\n",
    f"{COMPONENT}labels: [{{pairs: {{a: b}}}}]\n",
    f"{COMPONENT}resources: [job.yaml]\n",
    f"{K}resources: [../../../../base/training-job]\npatches: [{{path: job.yaml}}]\n",
    f"{K}resources: [job.yaml]\npatches:\n- target: {{kind: Job}}\n"
    "  patch: '[{op: add, path: /spec/parallelism, value: 9}]'\n",
    f"{K}resources: [job.yaml]\nimages: [{{name: b, newName: c}}]\n",
    f"{K}namespace: staging-training\nsecretGenerator: [{{name: a, files: [a=job.yaml]}}]\n",
    f"{K}resources: [extra]\nreplacements: [{{path: job.yaml}}]\n",
    "a: &a [1]\nb: *a\n",
    "\x1b[8mhidden\n",
)
FILES = (
    *NAMES,
    "job.yaml",
    "job.yml",
    "quota.yaml",
    "job.json",
    "JOB.YAML",
    "notes.yaml",
    "notes.txt",
    "README.md",
    "a b.yaml",
    "é.yaml",
    ".hidden.yaml",
    "-rf.yaml",
    "cloudbuild.yaml",
    ".sourceignore",
    ".gitattributes",
    "two\nlines.yaml",
    "\u202elmay.boj",
    "a\\b.yaml",
    "kustomization.yaml ",
    "KUSTOMIZATION.YAML",
    "kustomization",
    "seldondeployment.yaml",
    "serviceaccount.yaml",
    "experiment.yaml",
    "0123456789.yaml",
)
NEW = (
    "extra",
    "team",
    "secrets",
    "a",
    "promotion",
    "cluster",
    "training",
    "serving",
    "gone-0123456789",
    "gone-0123456789-0123456789",
    "data-0123456789-0123456789",
)


EXPERIMENT = "experiments/waiting/experiment.yaml"
# What people rightly do to a document: where, what stands there, and what they may write instead.
EDITS = (
    (EXPERIMENT, "memory: 2Gi", ("memory: 3Gi", "memory: 1Gi")),
    (EXPERIMENT, "cpu: 1", ("cpu: 2",)),
    (EXPERIMENT, "seed: 7", ("seed: 8", "seed: 9")),
    (EXPERIMENT, "epochs: 30", ("epochs: 31", "epochs: 5")),
    (EXPERIMENT, "owner: vision", ("owner: speech",)),
    (EXPERIMENT, "bundled://digits", ("bundled://wine",)),
    (EXPERIMENT, "environment: local", ("environment: staging",)),
    ("environments/local/environment.yaml", "price_per_hour: 0.08", ("price_per_hour: 0.09",)),
    ("environments/local/environment.yaml", "bbbbbbbb", ("cccccccc",)),
    ("environments/local/environment.yaml", "local-training", ("local-jobs",)),
    ("environments/staging/environment.yaml", "monthly: 4000", ("monthly: 5000",)),
    ("environments/staging/environment.yaml", "nodes: 10", ("nodes: 12",)),
    ("environments/staging/environment.yaml", "4dc69fae", ("5dc69fae",)),
    ("environments/local/promotions/digits.yaml", "memory: 2Gi", ("memory: 1Gi",)),
    ("environments/local/promotions/digits.yaml", "- 10\n", ("- 20\n",)),
    ("environments/local/promotions/digits.yaml", "better/c39d9a14b0", ("good/31a4e76e1a",)),
    ("base/training-job/job.yaml", "PeriodSeconds: 60", ("PeriodSeconds: 90",)),
)
TEAM = f"{K}namespace: staging-training\nresources:\n- quota.yaml\n"


class Mutant:
    """A tree that is changed step by step. `modes` are those that are not a plain file's."""

    def __init__(self, files, numbers: random.Random) -> None:
        self.files, self.modes, self._numbers = dict(files), {}, numbers

    def change(self) -> None:
        weighted = [self._add] * 4 + [self._edit] * 4 + [self._move] * 2 + [self._remove] * 2
        self._numbers.choice([*weighted, self._mode, self._copy, self._rename_folder])()

    def by_a_person(self) -> None:
        """What people rightly do: an edit of a document, one more, one less, or an object in a place of their own."""
        doing = self._numbers.choice(["edit", "edit", "edit", "add", "remove", "own"])
        if doing == "add":
            text = self.files.get(EXPERIMENT, b"").decode()
            name, seed = f"new{self._numbers.randrange(9)}", self._numbers.choice([7, 8, 9])
            text = text.replace("name: waiting", f"name: {name}").replace(
                "seed: 7", f"seed: {seed}"
            )
            self._put(f"experiments/{name}/experiment.yaml", text.encode())
        elif doing == "remove":
            gone = [EXPERIMENT, "environments/local/promotions/digits.yaml"]
            gone.append("experiments/broken/runs/970e519fc8.yaml")
            self.files.pop(self._numbers.choice(gone), None)
        elif doing == "own":
            place = "environments/staging/platform/" + self._numbers.choice(["team", "secrets"])
            self._put(f"{place}/kustomization.yaml", TEAM.encode())
            quota = QUOTA.replace("9", str(self._numbers.randrange(9)))
            self._put(f"{place}/quota.yaml", quota.encode())
        else:
            path, old, new = self._numbers.choice(EDITS)
            raw = self.files.get(path, b"").replace(
                old.encode(), self._numbers.choice(new).encode()
            )
            if path in self.files:
                self.files[path] = raw

    def _any(self) -> str:
        return self._numbers.choice(sorted(self.files))

    def _place(self) -> str:
        parts = self._any().split("/")[:-1]
        # At times above the five roots' own folders too: a new environment, or a file beside them.
        least = self._numbers.choice([1, 2, 3, 3, 3, 3])
        depth = self._numbers.randint(min(least, len(parts)), len(parts))
        new = [self._numbers.choice(NEW) for _ in range(self._numbers.choice([0, 0, 1, 1, 2, 3]))]
        return "/".join([*parts[:depth], *new])

    def _put(self, path: str, raw: bytes) -> None:
        """A file, with nothing where its folders have to be, and no folder in its place."""
        parents = {path.rsplit("/", count)[0] for count in range(1, path.count("/") + 1)}
        for other in list(self.files):
            if other in parents or other.startswith(f"{path}/"):
                del self.files[other]
        self.files[path] = raw

    def _content(self) -> bytes:
        other = self.files[self._any()]
        return self._numbers.choice([*(c.encode() for c in CONTENTS), other])

    def _add(self) -> None:
        folder = self._place()
        self._put(f"{folder}/{self._numbers.choice(FILES)}", self._content())
        if self._numbers.random() < 0.3:
            self._put(f"{folder}/{self._numbers.choice(FILES)}", self._content())

    def _edit(self) -> None:
        path = self._any()
        lines = self.files[path].decode(errors="replace").splitlines(keepends=True) or ["\n"]
        at = self._numbers.randrange(len(lines))
        doing = self._numbers.choice(
            ["drop", "twice", "append", "comment", "word", "entry", "more"]
        )
        if doing == "drop":
            del lines[at]
        elif doing == "twice":
            lines.insert(at, lines[at])
        elif doing == "append":
            lines.append("---\n" + self._content().decode(errors="replace"))
        elif doing == "comment":
            lines.insert(at, "# a comment\n")
        elif doing == "word":
            words = ["0", "1", "other", "true", "null", "[]"]
            head = lines[at].rstrip("\n").rpartition(" ")[0]
            lines[at] = f"{head} {self._numbers.choice(words)}\n"
        elif doing == "entry":
            other = self._numbers.choice(
                ["job.yaml", "..", "../serving", "extra", "kustomization.yml"]
            )
            lines.append(f"- {other}\n")
        else:
            other = self.files[self._any()].decode(errors="replace").splitlines(keepends=True)
            lines.insert(at, self._numbers.choice(other or ["\n"]))
        self.files[path] = "".join(lines).encode()

    def _move(self) -> None:
        path = self._any()
        name = self._numbers.choice([path.rpartition("/")[2], self._numbers.choice(FILES)])
        raw = self.files.pop(path)
        self._put(f"{path.rpartition('/')[0] if not self.files else self._place()}/{name}", raw)

    def _remove(self) -> None:
        path = self._any()
        gone = path.rsplit("/", self._numbers.choice([0, 0, 1, 2]))[0]
        for other in list(self.files):
            if other == gone or (other.startswith(f"{gone}/") and gone.count("/") > 1):
                del self.files[other]

    def _rename_folder(self) -> None:
        folder, target = self._any().rpartition("/")[0], self._place()
        if f"{target}/".startswith(f"{folder}/"):
            return
        moved = {path: raw for path, raw in self.files.items() if path.startswith(f"{folder}/")}
        for path in moved:
            del self.files[path]
        for path, raw in moved.items():
            self._put(f"{target}{path.removeprefix(folder)}", raw)

    def _mode(self) -> None:
        path = self._any()
        self.modes[path] = self._numbers.choice(["120000", "100755", "160000"])

    def _copy(self) -> None:
        folder, target = self._any().rpartition("/")[0], self._place()
        for path in [path for path in self.files if path.startswith(f"{folder}/")]:
            self._put(f"{target}{path.removeprefix(folder)}", self.files[path])


def harmless(files, numbers: random.Random) -> dict[str, bytes]:
    """The tree after an edit of a document or of notes that changes nothing that is applied."""
    files = dict(files)
    documents = [p for p in files if p.endswith(("/experiment.yaml", "/environment.yaml"))]
    path = numbers.choice(sorted(documents))
    doing = numbers.choice(["comment", "empty line", "notes", "base", "end"])
    if doing == "notes":
        files[f"{path.rpartition('/')[0]}/NOTES.md"] = b"# What was tried\n\nMuch.\n"
        return files
    if doing == "base":
        path = numbers.choice(sorted(p for p in files if p.startswith("base/")))
    lines = files[path].decode().splitlines(keepends=True)
    at = numbers.randrange(1, len(lines)) if doing == "comment" else len(lines)
    if doing == "comment" and not lines[at].startswith((" ", "-", "\n")):
        lines.insert(at, "# why it is so\n")
    lines += ["\n"] if doing == "empty line" else ["# the end\n"]
    return files | {path: "".join(lines).encode()}
