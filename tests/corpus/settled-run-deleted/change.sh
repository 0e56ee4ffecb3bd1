# An experiment whose run has ended goes, its receipt with it: nothing runs, so nothing is cancelled.
git rm --quiet -r experiments/weak
ml-pipeline render
