# A link, which a checkout follows and Flux does not fetch.
rm base/training-job/job.yaml
ln -s ../data-job/job.yaml base/training-job/job.yaml
