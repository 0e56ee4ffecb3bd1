# The environment goes, the promotion and the experiments that name it stay.
git rm --quiet environments/local/environment.yaml
