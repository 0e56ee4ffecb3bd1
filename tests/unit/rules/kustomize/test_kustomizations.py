import pytest
from ml_pipeline.rules.kustomize.kustomizations import (
    changed_units,
    kustomization_faults,
    reachable_faults,
    unit_of,
    units,
)

HEAD = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
TRAINING = "environments/staging/training"


def tree(*paths: str) -> dict[str, bytes]:
    return dict.fromkeys(paths, b"")


def changed(before, after) -> tuple[set[str], set[str]]:
    paths = before.keys() | after.keys()
    return changed_units(before, after, {p for p in paths if before.get(p) != after.get(p)})


def test_folder_with_a_kustomization_is_built_whole_and_a_loose_manifest_by_itself():
    files = tree(
        f"{TRAINING}/a/kustomization.yaml",
        f"{TRAINING}/a/deep/job.yaml",
        f"{TRAINING}/b/c/job.yml",
        f"{TRAINING}/b/notes.txt",
    )
    assert units(files, files) == {f"{TRAINING}/a", f"{TRAINING}/b/c/job.yml"}


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_root_takes_everything_below_it(name):
    files = tree(f"{TRAINING}/{name}", f"{TRAINING}/a/kustomization.yaml")
    assert units(files, files) == {TRAINING}


def test_file_of_automation_is_built_with_its_model():
    files = tree("environments/local/serving/digits/kustomization.yaml")
    path = "environments/local/rollouts/digits/0123456789.yaml"
    assert unit_of(files, path) == "environments/local/serving/digits"


@pytest.mark.parametrize("path", ["experiments/a/x.yaml", "environments/a/x.yaml", "base/x.yaml"])
def test_what_flux_does_not_look_at_is_no_part_of_anything(path):
    assert unit_of(tree(path), path) is None


def test_changed_base_builds_everything(files):
    before, _ = changed(files, {**files, "base/training-job/job.yaml": b"x: 1\n"})
    assert {"environments/local/serving/digits", "environments/staging/platform"} <= before


def test_kustomization_that_comes_takes_what_lay_there_before():
    before = tree(f"{TRAINING}/a/kustomization.yaml", f"{TRAINING}/job.yaml")
    after = {**before, f"{TRAINING}/kustomization.yaml": b""}
    assert changed(before, after) == ({f"{TRAINING}/a", f"{TRAINING}/job.yaml"}, {TRAINING})
    assert changed(after, before) == ({TRAINING}, {f"{TRAINING}/a", f"{TRAINING}/job.yaml"})


def faults(body: str, *others: str, within: tuple[str, ...] = ("base/",)) -> list[str]:
    files = {"base/x/kustomization.yaml": f"{HEAD}{body}".encode(), **tree(*others)}
    return [fault.text for fault in kustomization_faults(files, "base/x", within)]


@pytest.mark.parametrize(
    "entry",
    [
        "https://example.com/a.yaml",
        "github.com/a/b",
        "GitHub.com/a/b",
        "git@example.com:a/b",
        "ssh://example.com/a/b",
        "git::file:///a",
        "a_git/b",
        "a.git/b",
        "a?ref=b",
        "/etc/hostname",
        "./a.yaml",
        "a//b.yaml",
        "a/../b.yaml",
        ".",
        "..",
        "''",
        "{a: b}",
    ],
)
def test_what_is_no_plain_path_is_found(entry):
    (text,) = faults(f"resources: [{entry}]\n")
    assert text.endswith("is not the path of a file of this tree; add the file and name that")


@pytest.mark.parametrize(
    "body",
    [
        "resources: [a.yaml]",
        "components: [a]",
        "patches: [{path: a.yaml}]",
        "replacements: [{path: a.yaml}]",
        "configMapGenerator: [{name: a, files: [b=a.txt]}]",
        "secretGenerator: [{name: a, envs: [a.env]}]",
    ],
)
def test_what_is_not_there_is_found_wherever_it_is_named(body):
    (text,) = faults(f"{body}\n")
    assert "of this tree" in text


@pytest.mark.parametrize(
    "key",
    [
        "bases",
        "crds",
        "configurations",
        "generators",
        "transformers",
        "validators",
        "helmCharts",
        "helmGlobals",
        "openapi",
        "patchesStrategicMerge",
        "patchesJson6902",
        "vars",
        "RESOURCES",
    ],
)
def test_field_that_names_files_in_its_own_way_is_found(key):
    (text,) = faults(f"{key}: [a.yaml]\n", "base/x/a.yaml")
    assert text.startswith("is not used here; known are ")


def test_nested_key_in_another_case_is_found():
    (text,) = faults("patches: [{Path: /etc/hostname}]\n")
    assert text.startswith("is not used here; known are ")


def test_file_and_folder_of_this_tree_are_fine():
    others = ("base/x/a.yaml", "base/y/kustomization.yaml", "base/x/p.yaml", "base/x/c.txt")
    body = "resources: [a.yaml, ../y]\ncomponents: [../y]\npatches: [{path: p.yaml}]\n"
    assert faults(f"{body}configMapGenerator: [{{name: c, files: [d=c.txt]}}]\n", *others) == []


def test_path_out_of_the_place_is_found():
    (text,) = faults("resources: [../../environments/a.yaml]\n", "environments/a.yaml")
    assert text == "'../../environments/a.yaml' leads out of base/; move the file"


def test_second_kustomization_is_found():
    (text,) = faults("", "base/x/Kustomization")
    assert text == "stands beside kustomization.yaml; keep one kustomization, kustomization.yaml"


def test_shipped_bases_are_closed(files):
    folders = {path.rpartition("/")[0] for path in files if path.endswith("/kustomization.yaml")}
    bases = sorted(folder for folder in folders if folder.startswith("base/"))
    found = [fault for folder in bases for fault in kustomization_faults(files, folder, ("base/",))]
    assert (found, len(bases) > 10) == ([], True)


def test_what_a_folder_leads_to_is_looked_at_and_a_circle_ends():
    files = {
        "base/a/kustomization.yaml": f"{HEAD}resources: [../b]\n".encode(),
        "base/b/kustomization.yaml": f"{HEAD}resources: [../a, https://example.com/x]\n".encode(),
    }
    (fault,) = reachable_faults(files, "base/a", ("base/",))
    assert (fault.path, fault.key) == ("base/b/kustomization.yaml", "resources[1]")
