# Another serving image starts the predictors anew.
sed -i 's/bbbbbbbbbb/eeeeeeeeee/g' environments/local/environment.yaml
ml-pipeline render
