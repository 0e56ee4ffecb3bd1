# The experiment goes while its run is on its way.
git rm --quiet -r experiments/waiting
ml-pipeline render
