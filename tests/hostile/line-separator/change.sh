# A separator that one reader takes for the end of a comment.
printf '# a\xe2\x80\xa8b\n' >> base/training-job/job.yaml
