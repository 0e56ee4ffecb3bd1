# A file where Flux looks for a folder.
git rm -rq environments/production/serving
echo x > environments/production/serving
