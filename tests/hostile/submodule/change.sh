# A repository in the place of a folder.
git init -q environments/staging/training/inner
git -C environments/staging/training/inner commit -q --allow-empty -m Inner
