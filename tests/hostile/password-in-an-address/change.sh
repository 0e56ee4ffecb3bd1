# A password that everyone who can read the repository could use.
sed -i 's#^source: .*#source: {url: "https://robot:hunter2@git.example.com/team/ml-pipeline.git"}#' environments/staging/environment.yaml
