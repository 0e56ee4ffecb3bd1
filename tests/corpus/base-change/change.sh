# A change of base/ touches everything that is built on it.
sed -i 's/terminationGracePeriodSeconds: 60/terminationGracePeriodSeconds: 90/' base/training-job/job.yaml
ml-pipeline render
