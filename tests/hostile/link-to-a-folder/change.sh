# A link in the place of a folder.
git rm -rq environments/production/training
ln -s ../staging/training environments/production/training
